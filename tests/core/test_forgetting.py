"""What stays of a conversation that is gone: all that ids and its return depend on, and no personal data."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0, message, observations
from tests.core.test_decide import POLICY, STATE, apply, play, sighting
from tests.core.test_torn import BARE, NOBODY, OLDER, WHOLE, still, watched
from watcher.model import Conversation, Evidence, Observation, Reference, Snapshot
from watcher.pipeline import decide, remove
from watcher.pipeline.forgetting import nothing_but_numbers, unwatched
from watcher.records import SourceState

PERSONAL = ("Maria", "maria@example.com", "p1", "Is it still for sale?", "vip")
ONE = st.lists(observations(st.just("c1")), min_size=1, max_size=5)
WHOLE_ROWS = st.lists(observations(st.just("c1")), min_size=1, max_size=4)
KEYED = dataclasses.replace(POLICY, key=b"installation")


def kept_whole(before: Snapshot, gone: Snapshot) -> Snapshot:
    """Return a removed snapshot as it was when nothing was forgotten."""
    return dataclasses.replace(
        before,
        revision=gone.revision,
        counts=gone.counts,
        observed=gone.observed,
        present=False,
        doubt=None,
    )


def whole(row: Observation) -> Observation:
    """Return a row that shows everything: a name that rows show at times alone is forgotten indeed."""
    nothing: dict[str, Any] = {
        "unread": False, "unread_count": None, "channel": None, "assignee": None, "team": None,
        "archived": False, "status": None, "disposition": None, "labels": (), "priority": None,
        "last_message": None, "last_activity_at": T0, "contact.name": None, "contact.email": None,
        "attributes.starred": False, "attributes.snoozed_until": None,
    }  # fmt: skip
    shown = {**nothing, **row.fields}
    for path in ("assignee", "team"):
        if (one := shown[path]) is not None:
            shown[path] = Reference(one.id, f"name of {one.id}")
    return dataclasses.replace(row, fields=shown)


@given(ONE, WHOLE_ROWS, st.sampled_from([1, 70]))
def test_a_return_gives_the_same_ids_whatever_was_forgotten(
    life: list[Observation], back: list[Observation], every: int
) -> None:
    known, _ = play([[whole(row)] for row in life])
    gone = remove(KEYED, STATE, known["c1"], "deleted", sighting(1000))
    forgotten = apply(known, gone)
    complete = {"c1": kept_whole(known["c1"], forgotten["c1"])}
    told: list[list[str]] = []
    for stored in (forgotten, complete):
        ids: list[str] = []
        for number, row in enumerate(back):
            decision = decide(KEYED, STATE, stored, [whole(row)], sighting(2000 + every * number))
            stored = apply(stored, decision)
            ids += [event.id for event in decision.commit.events] if decision.commit else []
        told.append(ids)
    assert told[0] == told[1]


@given(ONE, ONE, st.booleans())
def test_no_event_of_a_second_life_has_an_id_of_the_first(
    life: list[Observation], back: list[Observation], long_ago: bool
) -> None:
    known, first = play([[row] for row in life])
    gone = remove(KEYED, STATE, known["c1"], "deleted", sighting(1000))
    known = apply(known, gone)
    if long_ago:
        known = {"c1": nothing_but_numbers(known["c1"])}
    second: list[Any] = [*(gone.commit.events if gone.commit else ())]
    for number, row in enumerate(back):
        decision = decide(KEYED, STATE, known, [row], sighting(2000 + 70 * number))
        known = apply(known, decision)
        second += decision.commit.events if decision.commit else []
    # A message that shows again is the same fact.
    facts = ("conversation.message", "conversation.unread")
    ids = [event.id for event in (*first, *second) if event.type not in facts]
    assert len(ids) == len(set(ids))
    returns = [event for event in second if event.type == "conversation.created"]
    assert all(event.data["returned"] for event in returns)


def test_a_removed_conversation_keeps_no_personal_data() -> None:
    source = watched(still(WHOLE, contact__phone="+4912345"))
    source.policy = dataclasses.replace(source.policy, key=b"installation")
    assert source.remove(0) == ["removed"]
    assert source.events[-1].data["conversation"]["contact"]["name"] == "Maria"
    stored = repr(source.now)
    assert not any(one in stored for one in (*PERSONAL, "+4912345"))
    assert source.now.counts == {"conversation.removed": 1}
    bare = nothing_but_numbers(source.now)
    assert bare.conversation == Conversation("c1")
    assert (bare.counts, bare.revision) == (source.now.counts, source.now.revision)
    assert (bare.prints, bare.message_id, bare.evidence) == ({}, None, Evidence())


@pytest.mark.parametrize("row", [BARE, OLDER, NOBODY], ids=["bare", "older", "nobody"])
def test_a_torn_row_of_a_removed_conversation_is_no_return(row: Observation) -> None:
    source = watched()
    source.remove(0)
    assert source.look(20, row) == []
    assert source.look(30, WHOLE) == ["created", "unread", "waiting"]
    assert source.now.conversation.contact.name == "Maria"
    assert source.now.prints == {}
    assert source.look(40, WHOLE) == []


def test_what_a_returned_row_does_not_show_is_taken_over_when_it_does() -> None:
    source = watched()
    source.remove(0)
    fields = {name: WHOLE.fields[name] for name in ("unread", "last_message", "last_activity_at")}
    part = dataclasses.replace(WHOLE, fields=fields)
    assert source.look(20, part) == ["created", "unread", "waiting"]
    assert source.look(30, WHOLE) == []
    assert source.now.conversation.contact.email == "maria@example.com"


def test_who_waits_still_waits_when_it_returns() -> None:
    source = watched()
    since = source.now.conversation.waiting_since
    source.remove(0)
    later = still(WHOLE, last_message=message("Hello?", at=90))
    source.look(100, dataclasses.replace(later, message_id="8", evidence=Evidence()))
    assert source.now.conversation.waiting_since == since


NOW = T0 + timedelta(days=50)


@pytest.mark.parametrize(
    ("days", "watched_", "forgotten"),
    [(31, False, True), (29, False, False), (31, True, False)],
    ids=["long ago", "lately", "watched"],
)
def test_a_source_that_is_no_longer_watched_is_forgotten_after_retention(
    days: int, watched_: bool, forgotten: bool
) -> None:
    seen = NOW - timedelta(days=days)
    state = SourceState(
        "sales", "chatwoot", "3", baselined=T0, polled=seen, swept=T0, counts={"baselined": 1}
    )
    network = SourceState("", "", "", counts={"network_failing": 2}, polled=T0)
    names = ["sales"] if watched_ else []
    found = list(unwatched([network, state], names, NOW - timedelta(days=30), NOW))
    if not forgotten:
        assert found == []
        return
    (commit,) = found
    assert commit.forget
    assert (commit.events, commit.deliveries) == ((), ())
    assert commit.state == SourceState("sales", "chatwoot", "3", counts={"baselined": 1})
    assert list(unwatched([commit.state], names, NOW, NOW)) == []


def test_the_ids_of_a_forgotten_source_that_comes_back_are_new() -> None:
    _, first = play([[WHOLE]])
    again = dataclasses.replace(STATE, counts={"baselined": 2})
    decision = decide(KEYED, again, {}, [WHOLE], sighting(5000))
    second = decision.commit.events if decision.commit else ()
    assert not {event.id for event in first} & {event.id for event in second}
    assert first
    assert second
