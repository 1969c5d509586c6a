"""What a row of Chatwoot shows of its newest message, and of who waits for whom.

Rules: pure. Facts are from Chatwoot's own source, v4.15.1 and older tags (`Message#push_event_data`,
`Message#human_response?`), and were seen on servers of v2.16, v3.16 and v4.15.1. Its own `waiting_since`
is another idea than ours: it is set when a conversation is made in which nobody wrote, a bot's text
clears it (since v4.10.0), resolving clears it (since v4.4.0), and an answer from the phone's own app
leaves it (before v4.11.0). So it tells the time of a wait, and the messages tell whether there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watcher.model import NO_EVIDENCE, Direction, Evidence, Message
from watcher.providers.rows import (
    UNSHOWN,
    Row,
    Shown,
    Unreadable,
    epoch_seconds,
    flag,
    identifier,
    json_object,
    known,
    text,
)

__all__ = ["SeenMessage", "read_evidence", "read_newest"]

DIRECTIONS: Mapping[str, Direction] = {
    "0": "inbound", "1": "outbound", "3": "outbound",
    "incoming": "inbound", "outgoing": "outbound", "template": "outbound",
}  # fmt: skip
ACTIVITY = ("2", "activity")
TEMPLATE = ("3", "template")
"""What the inbox itself sends: a greeting, an out-of-office text, a survey."""

MAIL = "incoming_email"
PLAIN_TEXT = (None, "text", MAIL)
"""Content types that say no more about a message than its channel does."""

KINDS: Mapping[str, str] = {"fallback": "link", "ig_reel": "video", "voice_call": "call"}
"""Where our word for what a message holds is not Chatwoot's `file_type` or content type."""

BOTS = ("AgentBot", "Captain::Assistant")
SURVEY = "input_csat"
HOLDS = ("sticker", "voice_call")
"""Content types that are themselves what the message holds."""


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """The newest message that is not an activity line."""

    message: Shown[Message]
    id: str | None = None
    greets: bool = False
    """Whether the inbox sent it to answer a message of the customer."""

    bot: bool = False
    """Whether a bot sent it, which clears the stamp as a person does."""

    unclear: bool = False
    """Whether a value is unreadable that tells a person's message from a machine's."""

    activity_at: datetime | None = None
    """The time of the activity line that hides it."""


def read_newest(row: Row, channel: str | None) -> SeenMessage:
    """Return the newest message, as far as the row shows one."""
    key, inner = "last_non_activity_message", row.object("last_non_activity_message")
    if not row.has(key):
        key = "messages"  # old versions: the newest line of any kind, none or one
        lines = row.read(key, _lines)
        if not isinstance(lines, list):
            return SeenMessage(UNSHOWN)
        inner = row.inside(key, lines[0]) if lines else None
    if not isinstance(inner, Row):
        return SeenMessage(inner)
    kind = inner.text("message_type")
    # Only the old key may hold an activity line, and one whose type cannot be read might be one.
    if kind in ACTIVITY:
        return SeenMessage(UNSHOWN, activity_at=known(inner.read("created_at", epoch_seconds)))
    if key == "messages" and inner.failed("message_type"):
        return SeenMessage(UNSHOWN)
    id_ = inner.read("id", identifier)
    if not isinstance(id_, str):
        inner.refuse("id")
    return _message(row, inner, known(kind), known(id_), channel)


def _lines(value: Any) -> list[Any]:
    if not isinstance(value, list) or (value and not isinstance(value[0], Mapping)):
        raise Unreadable
    return value


def _message(
    row: Row, line: Row, kind: str | None, id_: str | None, channel: str | None
) -> SeenMessage:
    said, at = known(line.text("content")), known(line.read("created_at", epoch_seconds))
    private, form = line.read("private", flag), known(line.text("content_type"))
    marks, extras = (
        known(line.object("content_attributes")),
        known(line.object("additional_attributes")),
    )
    mail = known(marks.object("email")) if marks else None
    said = _new_words(line, marks, mail, said)
    # Nothing that could be read tells it from the one before.
    if said is None and at is None and line.failed("content", "created_at"):
        return SeenMessage(UNSHOWN)
    direction = DIRECTIONS.get(kind or "")
    if private is True:
        direction = "internal"
    elif private is UNSHOWN and line.failed("private"):
        direction = None  # it may be a note
    campaign = bool(extras and known(extras.text("campaign_id")))
    message = Message(
        text=said,
        direction=direction,
        type=channel if form in PLAIN_TEXT else form,
        at=at,
        automated=_automated(line, kind, marks, campaign=campaign),
        subject=None if direction == "internal" or _lost(line, marks) else _subject(row, mail),
        attachments=_attachments(line, form),
    )
    unclear = line.failed("content_attributes", "additional_attributes", "sender_type") or bool(
        (marks and marks.failed("automation_rule_id", "external_echo"))
        or (extras and extras.failed("campaign_id"))
    )
    greets = kind in TEMPLATE and form != SURVEY
    bot = known(line.text("sender_type")) in BOTS
    return SeenMessage(message, id_, greets=greets, bot=bot, unclear=unclear)


def _new_words(line: Row, marks: Row | None, mail: Row | None, content: str | None) -> str | None:
    """Return what is new in a mail: its content repeats what it answers, its `reply` does not."""
    words = known(mail.object("text_content")) if mail else None
    reply = known(words.text("reply")) if words else None
    # Where the reply cannot be read, the content would look like another text of the same mail.
    lost = (
        _lost(line, marks)
        or (mail is not None and mail.failed("text_content"))
        or (words is not None and words.failed("reply"))
    )
    return reply or (None if lost and known(line.text("content_type")) == MAIL else content)


def _lost(line: Row, marks: Row | None) -> bool:
    """Return whether what a message tells of its mail cannot be read."""
    return line.failed("content_attributes") or (marks is not None and marks.failed("email"))


def _automated(line: Row, kind: str | None, marks: Row | None, *, campaign: bool) -> bool | None:
    """Return whether a machine sent a message, None where the row does not show it."""
    sender = line.text("sender_type")
    if DIRECTIONS.get(kind or "") == "inbound":
        return False
    if kind in TEMPLATE or campaign:
        return True
    if marks and known(marks.text("automation_rule_id")):
        return True
    # An answer from the phone's own app comes back without a sender.
    if marks and known(marks.read("external_echo", flag)):
        return False
    if isinstance(sender, str) and sender in BOTS:
        return True
    # Without these keys, a person's message and a machine's look alike.
    marked = line.has("content_attributes") and line.has("additional_attributes")
    if sender is UNSHOWN or kind is None or not marked:
        return None
    # Bots, and what is sent by a rule or a script: only people are users and contacts.
    return sender not in ("User", "Contact")


def _subject(row: Row, mail: Row | None) -> str | None:
    own = known(mail.text("subject")) if mail else None
    if mail and mail.failed("subject"):
        return None
    around = known(row.object("additional_attributes"))
    return own or (known(around.text("mail_subject")) if around else None)


def _attachments(line: Row, form: str | None) -> tuple[str, ...]:
    """Return the kinds of what a message holds; the key is there only where there is something."""
    kinds = [form] if form is not None and form in HOLDS else []
    kinds += known(line.read("attachments", _files)) or ()
    return tuple(sorted({KINDS.get(one, one) for one in kinds}))


def _files(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Unreadable
    kinds = (json_object(one).get("file_type") for one in value)
    return tuple((text(kind) if kind is not None else None) or "file" for kind in kinds)


def read_evidence(row: Row, newest: SeenMessage, fields: Mapping[str, Any]) -> Evidence:
    """Return what the row shows of who waits besides its newest message.

    `fields` are what was read of the row.
    """
    own = known(row.read("waiting_since", epoch_seconds))
    replied = row.read("first_reply_created_at", epoch_seconds)
    message = known(newest.message)
    direction = message.direction if message else None
    unread, created = fields.get("unread") is True, known(fields.get("created_at", UNSHOWN))
    machine = direction in ("outbound", "internal")
    # The stamp of a conversation in which nobody wrote is the time at which it was made.
    wrote = direction == "inbound" or unread or newest.greets
    if own is not None and not wrote and (created is None or own <= created):
        own = None
    if own is None and newest.bot and unread and replied is None:
        own = created  # no person has ever answered
    found = Evidence(
        waits_since=own,
        asked_at=message.at if message and machine and unread else None,
        answered_at=known(replied),
        unclear=newest.unclear,
    )
    return NO_EVIDENCE if found == NO_EVIDENCE else found
