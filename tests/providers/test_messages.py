"""What rows show of a message besides its words: the machine that sent it, a subject, attachments."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.test_waiting import LINES, cw, hl, play, seconds
from watcher.model import Message


def seen(name: str, row: dict[str, Any]) -> Message:
    _, known = play(name, [row])
    assert known is not None
    assert known.conversation.last_message is not None
    return known.conversation.last_message


def line(who: str = "customer", **keys: Any) -> dict[str, Any]:
    return {"last_non_activity_message": cw(who)["last_non_activity_message"] | keys}


@pytest.mark.parametrize("who", LINES)
def test_chatwoot_tells_machines_from_people(who: str) -> None:
    people = {"customer", "person", "note", "phone"}
    assert seen("chatwoot", cw(who)).automated is (who not in people)


def test_a_sender_that_old_servers_leave_out_is_not_told() -> None:
    plain = line("person")
    del plain["last_non_activity_message"]["sender_type"]
    assert seen("chatwoot", cw("person", **plain)).automated is None


@pytest.mark.parametrize(
    ("attachments", "kinds"),
    [
        (..., ()),
        (None, ()),
        ([], ()),
        ([{"file_type": "image"}], ("image",)),
        ([{"file_type": "file"}, {"file_type": "audio"}, {"file_type": "file"}], ("audio", "file")),
        ([{"file_type": "location", "coordinates_lat": 1.5}], ("location",)),
        ([{"file_type": "contact", "fallback_title": "+15550100"}], ("contact",)),
        ([{"file_type": "fallback"}], ("link",)),
        ([{"file_type": "ig_reel"}], ("video",)),
        ([{"file_type": "story_mention"}], ("story_mention",)),
        ([{"file_type": None}, {}], ("file",)),
    ],
)
def test_the_kinds_of_attachments_at_chatwoot(attachments: Any, kinds: tuple[str, ...]) -> None:
    keys = {} if attachments is ... else {"attachments": attachments}
    assert seen("chatwoot", cw("customer", **line(content=None, **keys))).attachments == kinds


@pytest.mark.parametrize(("form", "kind"), [("sticker", "sticker"), ("voice_call", "call")])
def test_a_content_type_can_be_what_the_message_holds(form: str, kind: str) -> None:
    assert seen("chatwoot", cw("customer", **line(content_type=form))).attachments == (kind,)


def mail(**email: Any) -> dict[str, Any]:
    keys = {"content": "Yes\n> Is it there?", "content_type": "incoming_email"}
    return line(**keys, content_attributes={"email": email})


@pytest.mark.parametrize(
    ("row", "subject", "text"),
    [
        (mail(subject="Re: Offer", text_content={"reply": "Yes"}), "Re: Offer", "Yes"),
        (mail(text_content={"reply": " "}), "Offer", "Yes\n> Is it there?"),
        (mail(subject=None), "Offer", "Yes\n> Is it there?"),
        (line("person", content="Sent"), "Offer", "Sent"),
        (line("note", content="Ours"), None, "Ours"),
        # An odd value costs itself alone.
        (mail(subject=["Re: Offer"], text_content={"reply": "Yes"}), None, "Yes"),
    ],
)
def test_a_mail_has_a_subject_and_its_own_words(
    row: dict[str, Any], subject: str | None, text: str
) -> None:
    around = {"additional_attributes": {"mail_subject": "Offer"}}
    found = seen("chatwoot", cw("customer", **row, **around))
    assert (found.subject, found.text) == (subject, text)


def test_an_attachment_that_cannot_be_read_leaves_what_was_known() -> None:
    sound = line(attachments=[{"file_type": "image"}])
    odd = line(attachments={"file_type": "image"})
    events, known = play("chatwoot", [cw("customer", **sound), cw("customer", **odd)])
    assert events[1] == []
    assert known is not None
    assert known.conversation.last_message is not None
    assert known.conversation.last_message.attachments == ("image",)


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [
        ("TYPE_CALL", ("call",)),
        ("TYPE_IVR_CALL", ("call",)),
        ("TYPE_CAMPAIGN_CALL", ("call",)),
        ("TYPE_CAMPAIGN_VOICEMAIL", ("voicemail",)),
        ("TYPE_VOICEMAIL", ("voicemail",)),
        ("TYPE_SMS", ()),
        ("TYPE_EMAIL", ()),
    ],
)
def test_calls_and_voicemails_at_highlevel(kind: str, kinds: tuple[str, ...]) -> None:
    row = hl("inbound", lastMessageType=kind, lastMessageBody="")
    assert seen("highlevel", row).attachments == kinds


@pytest.mark.parametrize(
    ("row", "automated"),
    [
        (hl("inbound", action="automated"), False),
        (hl("outbound", action="automated"), True),
        (hl("outbound", action="manual"), False),
        (hl("outbound"), None),
        (hl("outbound", 9, manual=9), False),
        (hl("outbound", 9, manual=1), True),
        (hl("outbound", lastMessageType="TYPE_CAMPAIGN_SMS"), True),
        (hl("outbound", lastMessageType="TYPE_CAMPAIGN_MANUAL_SMS"), None),
        (hl("outbound", lastMessageType="TYPE_SMS_REVIEW_REQUEST"), True),
        (hl("outbound", action="manual", lastMessageType="TYPE_CAMPAIGN_SMS"), False),
        (hl("outbound", action="a word of tomorrow"), None),
        (hl("outbound", lastManualMessageDate=seconds(0) * 1000 - 300), False),
    ],
)
def test_highlevel_tells_machines_from_people(row: dict[str, Any], automated: bool | None) -> None:
    assert seen("highlevel", row).automated is automated
