"""Tables of what is said of each type of event by default, of late messages, and of several."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import MARIA, T0, conversation_event
from watcher.catalogue.events import EVENT_TYPES
from watcher.model import Contact, Event, Message, to_plain
from watcher.templates import default_message, digest, late_note, render, render_digest
from watcher.wording import format_instant

ANA, BEN = {"id": "u1", "name": "Ana"}, {"id": "u2", "name": "Ben"}
LINKED = dataclasses.replace(MARIA, url="https://inbox.example.com/c1")


def change(name: str, before: Any, after: Any) -> dict[str, Any]:
    return {"changes": {name: {"before": before, "after": after}}}


@pytest.mark.parametrize(
    ("kind", "more", "title", "lines"),
    [
        ("created", {}, "New conversation: Maria Lopez (sms)",
         ["Is it still for sale?", "Assigned to: Ana", "Labels: vip"]),
        ("created", {"returned": True}, "Conversation is back: Maria Lopez (sms)", []),
        ("unread", {}, "New message from Maria Lopez (sms)",
         ["Is it still for sale?", "Assigned to: Ana", "https://inbox.example.com/c1",
          "sales (highlevel), 2026-11-20 10:00 UTC"]),
        ("read", change("unread", True, False), "Read: Maria Lopez", []),
        ("message", {}, "New message from Maria Lopez (sms)", ["Is it still for sale?"]),
        ("waiting", {}, "Waiting for an answer: Maria Lopez (sms)", ["Is it still for sale?"]),
        ("answered", {"outcome": "answered", "waited": 3_900},
         "Answered: Maria Lopez, after 1 hour 5 minutes", []),
        ("answered", {"outcome": "closed", "waited": 20},
         "Closed without an answer: Maria Lopez, after less than a minute", []),
        ("assigned", change("assignee", None, BEN), "Assigned: Maria Lopez, to Ben",
         ["Assignee: none → Ben"]),
        ("reassigned", change("assignee", ANA, BEN), "Reassigned: Maria Lopez, from Ana to Ben",
         ["Assignee: Ana → Ben"]),
        ("reassigned", change("assignee", {"id": "u1", "name": None}, BEN),
         "Reassigned: Maria Lopez, from u1 to Ben", []),
        ("unassigned", change("assignee", ANA, None), "Unassigned: Maria Lopez, from Ana", []),
        ("team_changed", change("team", None, {"id": "t1", "name": "Sales"}),
         "Team changed: Maria Lopez, from none to Sales", ["Team: none → Sales"]),
        ("archived", change("archived", False, True), "Archived: Maria Lopez",
         ["Archived: no → yes"]),
        ("unarchived", change("archived", True, False), "Back from the archive: Maria Lopez", []),
        ("status_changed", change("status", "open", "pending"),
         "Status changed: Maria Lopez, from open to pending", []),
        ("disposition_changed", change("disposition", None, {"id": "d", "label": "Won"}),
         "Disposition changed: Maria Lopez, from none to Won", ["Disposition: none → Won"]),
        ("labels_changed", change("labels", ["a", "b"], ["b", "c"]),
         "Labels changed: Maria Lopez, +c -a", ["Labels: a, b → b, c"]),
        ("priority_changed", change("priority", "low", "high"),
         "Priority changed: Maria Lopez, from low to high", []),
        ("contact_changed", change("contact", {"name": "M", "phone": "1"}, {"name": "N", "phone": "1"}),
         "Contact changed: Maria Lopez", ["Name: M → N"]),
        ("updated", change("attributes", {"score": 1, "same": 2}, {"score": 3, "same": 2}),
         "Updated: Maria Lopez (attributes)", ["Score: 1 → 3"]),
        ("removed", {"reason": "deleted"}, "Removed: Maria Lopez (deleted at the provider)", []),
        ("removed", {"reason": "access_lost"}, "Removed: Maria Lopez (no longer visible to us)", []),
    ],
)  # fmt: skip
def test_a_conversation_is_told_in_words(
    kind: str, more: dict[str, Any], title: str, lines: list[str]
) -> None:
    said, body = default_message(conversation_event(f"conversation.{kind}", LINKED, **more))
    assert said == title
    for text in lines:
        assert text in body.splitlines()


@pytest.mark.parametrize(
    ("direction", "title"),
    [
        ("inbound", "New message from Maria Lopez (sms)"),
        ("outbound", "Reply to Maria Lopez (sms)"),
        ("internal", "Note on Maria Lopez (sms)"),
        (None, "New message: Maria Lopez (sms)"),
    ],
)
def test_a_message_is_told_by_its_direction(direction: Any, title: str) -> None:
    other = dataclasses.replace(MARIA, last_message=Message("text", direction))
    assert default_message(conversation_event("conversation.message", other))[0] == title


def test_a_message_of_a_machine_is_no_reply() -> None:
    other = dataclasses.replace(MARIA, last_message=Message("text", "outbound", automated=True))
    title, _ = default_message(conversation_event("conversation.message", other))
    assert title == "Automatic message to Maria Lopez (sms)"


@pytest.mark.parametrize(
    ("kind", "direction", "told"),
    [
        ("waiting", "inbound", True),
        ("waiting", "outbound", False),  # a greeting
        ("answered", "outbound", True),
        ("answered", "inbound", False),  # the customer's next words
    ],
)
def test_a_wait_is_told_with_the_words_that_it_is_about(
    kind: str, direction: Any, told: bool
) -> None:
    other = dataclasses.replace(MARIA, last_message=Message("some words", direction))
    _, body = default_message(conversation_event(f"conversation.{kind}", other))
    assert ("some words" in body) == told


@pytest.mark.parametrize(
    ("contact", "who"),
    [
        (Contact(name="Maria", phone="1"), "Maria"),
        (Contact(phone="+15550100", email="m@example.com"), "+15550100"),
        (Contact(email="m@example.com"), "m@example.com"),
        (Contact(), "conversation c1"),
    ],
)
def test_whoever_has_no_name_is_told_by_what_there_is(contact: Contact, who: str) -> None:
    nameless = dataclasses.replace(MARIA, contact=contact)
    assert default_message(conversation_event("conversation.read", nameless))[0] == f"Read: {who}"


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("source.baselined", "Source sales is being watched"),
        ("source.failing", "Source sales is failing"),
        ("source.recovered", "Source sales works again"),
        ("source.held", "Source sales: implausible changes are held back"),
        ("source.released", "Source sales: what was held back is decided"),
        ("receiver.failing", "Receiver sales is failing"),
        ("receiver.recovered", "Receiver sales works again"),
        ("delivery.dead", "A message to sales is given up"),
        ("watcher.network_failing", "The network is failing: no source can be reached"),
        ("watcher.network_recovered", "The network works again"),
        ("watcher.disk_low", "The disk is nearly full: sources that write much wait"),
        ("watcher.disk_recovered", "The disk has room again"),
    ],
)
def test_the_watcher_tells_of_itself(kind: str, title: str) -> None:
    told = conversation_event(kind, None, reason="the token is refused", remedy="renew it")
    said, body = default_message(told)
    assert said == title
    assert body.splitlines()[:2] == ["the token is refused", "What to do: renew it"]


def test_a_death_says_what_nobody_got() -> None:
    about = {"id": "e1", "type": "conversation.unread", "subject": "c1"}
    told = conversation_event("delivery.dead", None, reason="no", event=about, rule="News")
    _, body = default_message(told)
    assert "It was about: conversation.unread of conversation c1" in body
    assert "Rule: News" in body
    digest = {"id": "m1", "type": "watcher.digest", "subject": None}
    told = conversation_event("delivery.dead", None, reason="no", event=digest)
    assert "It was about: watcher.digest\n" in default_message(told)[1]


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2026-13-01T10:00:00Z", "UTC"),
        ("2026-12-01T10:00:00+99:99", "UTC"),
        ("0001-01-01T00:00:00Z", "America/New_York"),
        ("9999-12-31T23:59:59Z", "Asia/Tokyo"),
    ],
)
def test_a_text_that_only_looks_like_a_time_stays_as_it_is(text: str, zone: str) -> None:
    assert format_instant(text, ZoneInfo(zone)) == text


@pytest.mark.parametrize("kind", ["source.recovered", "receiver.recovered"])
def test_a_trouble_that_another_one_replaces_is_no_cure(kind: str) -> None:
    told = conversation_event(kind, None, reason="another account is watched", outcome="replaced")
    assert default_message(told)[0].endswith("sales: its former trouble is over")


def test_what_a_timer_sends_says_that_it_still_holds() -> None:
    told = conversation_event(
        delivery={"rule": "Nobody has looked", "kind": "for", "event": "e", "count": 1}
    )
    assert "This still holds (rule: Nobody has looked)." in default_message(told)[1]


@pytest.mark.parametrize(
    ("kind", "reason", "title"),
    [
        ("waiting", "it was answered", "Answered: Maria Lopez, after 25 minutes"),
        ("waiting", "it was closed without an answer",
         "Closed without an answer: Maria Lopez, after 25 minutes"),
        ("unread", "it was read", "Read: Maria Lopez, after 25 minutes"),
        ("archived", "it was unarchived", "Over: Archived: Maria Lopez, after 25 minutes"),
    ],
)  # fmt: skip
def test_an_end_is_told_with_its_reason_and_how_long_it_took(
    kind: str, reason: str, title: str
) -> None:
    about = {"kind": "resolved", "rule": "Slow", "resolved": {"reason": reason, "seconds": 1500}}
    said = default_message(conversation_event(f"conversation.{kind}", delivery=about))
    assert said[0] == title
    assert f"It is over: {reason} (rule: Slow)." in said[1]


def test_the_end_of_a_sources_trouble_is_told() -> None:
    about = {"kind": "resolved", "rule": "Dark", "resolved": {"reason": "the source works again"}}
    said = default_message(conversation_event("source.failing", None, delivery=about))
    assert said[0] == "Over: Source sales is failing"


def test_a_long_text_is_whole_and_may_be_cut_and_a_title_is_one_line() -> None:
    long = dataclasses.replace(
        MARIA, contact=Contact(name="M\n" * 500), last_message=Message("x" * 9000, "inbound")
    )
    title, body = default_message(conversation_event(conversation=long))
    assert "\n" not in title
    assert len(title) <= 200
    assert body.startswith("x" * 9000)
    assert body.capped(100).startswith("x" * 93 + "… (cut)\n\nAssigned to: Ana\n")
    assert body.capped(100).required() == "x" * 93 + "… (cut)"


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (Message("Hello", "inbound"), ["Hello", ""]),
        (Message(None, "inbound", attachments=("image",)), ["[image]", ""]),
        (Message("See this", "inbound", attachments=("audio", "image")),
         ["See this", "[audio, image]", ""]),
        (Message(None, "inbound", "call"), ["[call]", ""]),
        (Message(None, "inbound", "email", subject="A quote"), ["Subject: A quote", ""]),
        (Message("Hello", "inbound", "email", subject="A quote"),
         ["Subject: A quote", "Hello", ""]),
        (Message(None, "inbound", "webchat"), ["[no text]", ""]),
        (None, ["Assigned to: Ana"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["created", "unread", "message"])
def test_a_message_without_words_says_what_it_is(
    kind: str, message: Message | None, lines: list[str]
) -> None:
    event = conversation_event(
        f"conversation.{kind}", dataclasses.replace(MARIA, last_message=message)
    )
    title, body = default_message(event)
    assert body.splitlines()[: len(lines)] == lines
    if message is not None:
        _, many = digest([(title, body), (title, body)])
        assert many.splitlines()[0] == f"- {title}: {lines[0]}"


def test_of_words_that_a_receiver_may_not_see_nothing_is_said() -> None:
    event = conversation_event(
        redacted=["last_message.text"],
        conversation=dataclasses.replace(MARIA, last_message=Message(None, "inbound")),
    )
    assert "[no text]" not in default_message(event)[1]


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (Message(None, "inbound", "sms"), "[text]"),
        (Message(None, "inbound", attachments=("image",)), "[text, image]"),
        (Message(None, "inbound", "voicemail"), "[text, voicemail]"),
    ],
)
def test_of_words_that_are_not_kept_it_is_said_that_there_were_some(
    message: Message, line: str
) -> None:
    event = conversation_event(
        "conversation.message",
        withheld=["last_message.text"],
        conversation=dataclasses.replace(MARIA, last_message=message),
    )
    assert default_message(event)[1].splitlines()[0] == line
    rendered = render("New", "{{ conversation.last_message.text }}!", event)
    assert str(rendered.body) == f"{line}!"
    hidden = dataclasses.replace(event, data={**event.data, "redacted": ["last_message.text"]})
    assert "[text" not in default_message(hidden)[1]


BERLIN = ZoneInfo("Europe/Berlin")


def test_times_are_those_of_the_configured_zone() -> None:
    assert default_message(conversation_event(), BERLIN)[1].endswith("2026-11-20 11:00 CET")
    failing = conversation_event("source.failing", None, since="2026-11-30T02:24:58.770427Z")
    assert default_message(failing, BERLIN)[1].splitlines()[0] == "Since 2026-11-30 03:24 CET"
    waits = change("waiting_since", None, "2026-11-20T10:00:00.123Z")
    told = default_message(conversation_event("conversation.updated", **waits), BERLIN)[1]
    assert "Waiting since: none → 2026-11-20 11:00 CET" in told.splitlines()
    late = T0 + timedelta(hours=14)
    assert late_note(T0, late, BERLIN) == (
        "This happened at 11:00 CET on 2026-11-20, 14 hours ago."
    )
    assert late_note(T0, late, BERLIN, after=T0 - timedelta(hours=1)) == (
        "This happened between 10:00 and 11:00 CET on 2026-11-20."
    )


@pytest.mark.parametrize(
    ("kind", "title", "first"),
    [
        ("unread", "Unread: Maria Lopez (sms)", "Assigned to: Ana"),
        ("waiting", "Waiting for an answer: Maria Lopez (sms)", "Assigned to: Ana"),
        ("message", "New message from Maria Lopez (sms)", "Is it still for sale?"),
        ("created", "New conversation: Maria Lopez (sms)", "Is it still for sale?"),
    ],
)
def test_words_that_stand_in_another_message_are_not_repeated(
    kind: str, title: str, first: str
) -> None:
    said, body = default_message(conversation_event(f"conversation.{kind}"), told=True)
    assert (said, body.splitlines()[0]) == (title, first)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
SIDES = st.fixed_dictionaries({}, optional={"before": JSON, "after": JSON})
FIELDS = sorted(to_plain(MARIA))


@given(
    kind=st.sampled_from(EVENT_TYPES),
    fields=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=4),
    changes=st.dictionaries(st.sampled_from(FIELDS), SIDES | JSON, min_size=1),
)
def test_every_type_has_words_however_odd_the_event(
    kind: str, fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    data = {"conversation": fields, "changes": changes, "delivery": fields.get("labels")}
    for odd in (data, {}):
        title, body = default_message(Event("e", kind, "s", None, T0, odd))
        assert title
        assert "\n" not in title
        assert body.endswith("2026-11-20 10:00 UTC")
        (title + body).encode()


@pytest.mark.parametrize(
    ("late", "words"),
    [
        (timedelta(seconds=20), "at 10:00 UTC, just now."),
        (timedelta(seconds=-20), "at 10:00 UTC, just now."),
        (timedelta(minutes=1, seconds=59), "at 10:00 UTC, 1 minute ago."),
        (timedelta(minutes=25), "at 10:00 UTC, 25 minutes ago."),
        (timedelta(hours=1, minutes=5), "at 10:00 UTC, 1 hour 5 minutes ago."),
        (timedelta(hours=2), "at 10:00 UTC, 2 hours ago."),
        (timedelta(days=1, minutes=3), "at 10:00 UTC on 2026-11-20, 1 day ago."),
        (timedelta(days=2, hours=3, minutes=4), "at 10:00 UTC on 2026-11-20, 2 days 3 hours ago."),
    ],
)
def test_a_late_message_says_when_it_happened(late: timedelta, words: str) -> None:
    assert late_note(T0, T0 + late) == f"This happened {words}"


def test_what_is_known_only_between_two_looks_is_told_with_both() -> None:
    since, now = T0 - timedelta(hours=12), T0 + timedelta(minutes=1)
    note = "This happened between 22:00 on 2026-11-19 and 10:00 UTC."
    assert late_note(T0, now, after=since) == note
    day_after = now + timedelta(days=1)
    assert late_note(T0, day_after, after=T0 - timedelta(hours=1)) == (
        "This happened between 09:00 and 10:00 UTC on 2026-11-20."
    )


def test_the_note_is_in_utc_wherever_the_clocks_are() -> None:
    berlin = datetime.fromisoformat("2026-11-20T11:00:00+01:00")
    assert late_note(berlin, datetime(2026, 11, 20, 10, 25, tzinfo=UTC)).startswith(
        "This happened at 10:00 UTC, 25 minutes"
    )


def test_several_messages_become_one_with_a_line_for_each() -> None:
    title, body = digest([("Unread: Maria", "Hello\nhttps://x"), ("Read: Ben", ""), ("", "text")])
    assert title == "3 notifications"
    assert body == "- Unread: Maria: Hello\n- Read: Ben\n- text"


def test_one_message_stays_as_it_is_and_many_are_bounded() -> None:
    assert digest([("title", "body")]) == ("title", "body")
    title, body = digest([("t" * 500, "b")] * 80)
    assert title == "80 notifications"
    assert len(body.splitlines()) == 80
    assert max(len(text) for text in body.splitlines()) <= 202


def test_a_digest_tells_the_words_of_a_message_once() -> None:
    one, other = (
        dataclasses.replace(MARIA, last_message=Message(words, "inbound", "sms", T0))
        for words in ("Does it have lights?", "And a bell?")
    )
    events = [
        conversation_event("conversation.message", one),
        conversation_event("conversation.unread", one),
        conversation_event("conversation.waiting", one),
        conversation_event("conversation.unread", other),
    ]
    body = render_digest(None, None, events).body
    assert body.splitlines() == [
        "- New message from Maria Lopez (sms): Does it have lights?",
        "- Unread: Maria Lopez (sms): Assigned to: Ana",
        "- Waiting for an answer: Maria Lopez (sms): Assigned to: Ana",
        "- New message from Maria Lopez (sms): And a bell?",
    ]
