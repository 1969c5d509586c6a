"""What changed is one sentence, for every type of event; nothing that an event carries is left out."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.catalogue.events import EVENT_TYPES
from watcher.daemon.sample import sample
from watcher.explain.changes import what_changed
from watcher.explain.values import format_times
from watcher.model import Event

NOW = datetime(2026, 11, 20, 10, 0, 5, 123000, tzinfo=UTC)
SAMPLE = sample("sales", "highlevel", NOW, "mark")
ANA, RAJ = {"id": "u1", "name": "Ana"}, {"id": "u2", "name": "Raj"}
SINCE = "2026-11-20T10:00:05.123Z"


def about(
    kind: str, /, now: dict[str, Any] | None = None, more: Any = None, **changes: Any
) -> Event:
    """Return an event of a type; changes are pairs, `now` is what the conversation has, `more` the data."""
    pairs = {name: {"before": one, "after": two} for name, (one, two) in changes.items()}
    after = {name: two for name, (_, two) in changes.items()}
    conversation = {**SAMPLE.data["conversation"], **after, **(now or {})}
    data = {**SAMPLE.data, "conversation": conversation, "changes": pairs, **(more or {})}
    return dataclasses.replace(SAMPLE, type=f"conversation.{kind}", data=data)


def own(kind: str, source: str = "sales", **data: Any) -> Event:
    """Return an event about the watcher itself."""
    return Event("1", kind, source, None, NOW, data)


def said(text: str, direction: str | None = "inbound", **more: Any) -> dict[str, Any]:
    return {"text": text, "direction": direction, **more}


TABLE = [
    (about("created", now={"last_message": said("Is it in stock?")}),
     "a new conversation: “Is it in stock?”"),
    (about("created", now={"last_message": None}), "a new conversation"),
    (about("created", more={"returned": True}, now={"last_message": None}),
     "the conversation is back"),
    (about("unread", unread=(False, True), unread_count=(0, 1)), "became unread"),
    (about("unread", unread=(False, True), unread_count=(None, 2)), "became unread, 2 messages"),
    (about("unread", unread_count=(2, 5)), "3 more unread, 5 now"),
    (about("unread"), "a newer message came while it was unread"),
    (about("read", unread=(True, False), unread_count=(2, 0)), "was read"),
    (about("message", last_message=(None, said("Hello"))), "the customer wrote: “Hello”"),
    (about("message", last_message=(None, said("Hi", "outbound", automated=False))),
     "we wrote: “Hi”"),
    (about("message", last_message=(None, said("We are closed", "outbound", automated=True))),
     "an automatic message went out: “We are closed”"),
    (about("message", last_message=(None, said("call her", "internal"))),
     "a private note: “call her”"),
    (about("message", last_message=(None, said("What?", None))), "a message: “What?”"),
    (about("message", last_message=(None, said("", attachments=["image"]))),
     "the customer wrote: [image]"),
    (about("message", last_message=(said("Oops"), None)), "the last message is gone"),
    (about("message", last_message=(None, said("Hi")), channel=("sms", "email")),
     "the customer wrote: “Hi”; channel: sms → email"),
    (about("waiting", waiting_since=(None, SINCE)),
     "the customer waits for an answer since 2026-11-20 19:00:05+09:00"),
    (about("answered", waiting_since=(SINCE, None), more={"outcome": "answered", "waited": 1330}),
     "answered after 22m10s"),
    (about("answered", waiting_since=(SINCE, None), more={"outcome": "closed", "waited": None}),
     "closed without an answer"),
    (about("assigned", assignee=(None, ANA)), "assigned to Ana"),
    (about("assigned", assignee=(None, {"id": "u9", "name": None})), "assigned to u9"),
    (about("reassigned", assignee=(ANA, RAJ)), "handed from Ana to Raj"),
    (about("unassigned", assignee=(ANA, None)), "nobody's now, it was Ana's"),
    (about("team_changed", team=(None, {"id": "1", "name": "Sales"})),
     "the team changed from none to Sales"),
    (about("archived", archived=(False, True), status=("open", "resolved")),
     "was archived; status: open → resolved"),
    (about("unarchived", archived=(True, False)), "came back from the archive"),
    (about("status_changed", status=("open", "snoozed"),
           attributes=({"until": None}, {"until": SINCE})),
     "the status changed from open to snoozed; attributes.until: none → 2026-11-20 19:00:05+09:00"),
    (about("disposition_changed", disposition=(None, {"label": "Won"})),
     "the disposition changed from none to Won"),
    (about("labels_changed", labels=(["new"], ["late", "vip"])),
     "labels: late added, vip added, new removed"),
    (about("priority_changed", priority=("low", "urgent")),
     "the priority changed from low to urgent"),
    (about("contact_changed", contact=({"name": "Ann", "phone": None}, {"name": "Ann", "phone": "5"})),
     "contact.phone: none → 5"),
    (about("updated", attributes=({"starred": False}, {"starred": True})),
     "attributes.starred: no → yes"),
    (about("removed", more={"reason": "deleted"}), "deleted at the provider"),
    (about("removed", more={"reason": "access_lost"}),
     "no longer visible to us: the access is lost"),
    (about("removed", more={"reason": "unknown"}), "gone, and nobody says why"),
    (own("source.baselined", reason="26 conversations known"),
     "is watched from now on: 26 conversations known"),
    (own("source.failing", reason="HTTP 401", remedy="renew the token"),
     "cannot be read: HTTP 401 (renew the token)"),
    (own("source.recovered", reason="works again"), "is read again"),
    (own("source.recovered", reason="another account", outcome="replaced"),
     "the former trouble is over: another account"),
    (own("source.held", reason="it lacks 24 of 26", remedy="decide"),
     "what a sweep shows is held back: it lacks 24 of 26 (decide)"),
    (own("source.released", reason="it lacks 24 of 26", outcome="disagreed"),
     "the hold is over, a later sweep disagreed, so nothing happened: it lacks 24 of 26"),
    (own("receiver.failing", "crm", reason="HTTP 500", remedy="look"),
     "takes no messages: HTTP 500 (look)"),
    (own("receiver.recovered", "crm", reason="works again"), "takes messages again"),
    (own("delivery.dead", "crm", event={"id": "4c14913cd585335a", "type": "conversation.read"},
         reason="HTTP 404"),
     "a message to crm was given up: conversation.read 4c14913cd585: HTTP 404"),
    (own("watcher.network_failing", "", reason="no connection", remedy="look at the network"),
     "no source can be reached: no connection (look at the network)"),
    (own("watcher.network_recovered", "", reason="the network works again"),
     "the network works again"),
    (own("watcher.disk_low", "", reason="1 GiB is left"),
     "the disk is nearly full, what writes much waits: 1 GiB is left"),
    (own("watcher.disk_recovered", "", reason="9 GiB are free"),
     "the disk has room again: 9 GiB are free"),
    (about("of_a_later_version", unread=(False, True)), "unread: no → yes"),
    (about("updated", last_message=(said("a"), said("b " * 80))),
     "last_message: a → " + "b " * 29 + "b…"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "words"), TABLE, ids=lambda one: getattr(one, "type", None))
def test_a_change_is_one_sentence(event: Event, words: str) -> None:
    assert what_changed(event, ZoneInfo("Asia/Tokyo")) == words


def test_every_type_of_event_is_in_the_table() -> None:
    assert set(EVENT_TYPES) <= {event.type for event, _ in TABLE}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(
    st.sampled_from(EVENT_TYPES),
    st.dictionaries(st.sampled_from([*SAMPLE.data["conversation"], "else"]), json_values),
    st.dictionaries(st.text(), st.tuples(json_values, json_values)),
)
def test_any_event_is_said_in_one_line(
    kind: str, now: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Whatever was recorded, by whichever version, there is a sentence and no failure."""
    event = dataclasses.replace(about("x", now=now, **changes), type=kind)
    words = what_changed(event)
    assert words
    assert "\n" not in words


def test_times_in_notes_are_those_of_the_zone_and_all_else_stays() -> None:
    note = "held until 2026-11-20T12:00:00.000Z: outside the hours; 2026-13-45T99:00:00Z"
    told = "held until 2026-11-20 21:00:00+09:00: outside the hours; 2026-13-45T99:00:00Z"
    assert format_times(note, ZoneInfo("Asia/Tokyo")) == told
