"""Every store: what a commit writes, and when it writes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.support.make import LEASE, T0, at, commit, delivery, event, settlement, snapshot
from watcher.errors import Conflict, StoreError
from watcher.model import Contact, Conversation, Disposition, Doubt, Message, Reference, Snapshot
from watcher.records import (
    Commit,
    DeliveryQuery,
    EventQuery,
    Hold,
    ReceiverState,
    Recorded,
    SourceState,
    Trouble,
)
from watcher.store import Store

FULL = Snapshot(
    conversation=Conversation(
        id="c/1 ü%_*'",
        url="https://app.example.com/c/1",
        contact=Contact("p1", "Zoë \x00 'Bobby'", "zoe@example.com", "+1555"),
        channel="sms",
        unread=True,
        unread_count=3,
        assignee=Reference("u1", "Ann"),
        team=Reference("t1"),
        archived=True,
        status="open",
        disposition=Disposition("d", "won", "sale", T0, "u1"),
        labels=("a", "b"),
        priority="high",
        last_message=Message("hi 🙂", "inbound", "sms", T0 + timedelta(microseconds=1)),
        last_activity_at=T0 + timedelta(milliseconds=3),
        created_at=datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        attributes={"nested": {"list": [1, 2.5, None, True]}, "empty": None},
    ),
    revision=1,
    seen=frozenset({"unread", "attributes.nested"}),
    counts={"conversation.unread": 2},
    observed=T0 + timedelta(microseconds=7),
    message_id="m1",
    doubt=Doubt(T0 + timedelta(microseconds=11), ("last_message", "unread"), "shown"),
)

STATE = SourceState(
    name="sales",
    provider="highlevel",
    account="location-1",
    baselined=T0,
    baseline_started=at(-5),
    polled=at(1.000001),
    swept=at(2),
    newest=at(3),
    counts={"source.failing": 2},
    learned={"cap": 20, "nested": {"a": [1]}},
    mapping="abc",
    empty_sweeps=1,
    suspects=("c1", "c2"),
    failing=Trouble(T0, "it fails", "mend it"),
    hold=Hold("absences", T0, ("c1",), 40, "too many", "release"),
)


async def test_an_empty_store_knows_nothing(store: Store) -> None:
    assert await store.source("sales") is None
    assert list(await store.sources()) == []
    assert await store.known("sales", ["c1"]) == {}
    assert set(await store.present_ids("sales")) == set()
    assert set(await store.ids_in_set("sales", "unread")) == set()
    assert list(await store.claim("team", T0, lease=LEASE, limit=9)) == []
    assert await store.next_due("team") is None
    assert list(await store.sent_since("team", T0)) == []
    assert await store.receivers() == {}
    assert list(await store.events(EventQuery())) == []
    assert list(await store.deliveries(DeliveryQuery())) == []
    assert await store.pending() == {}
    assert await store.retry(None, T0) == 0
    assert await store.retire_unconfigured([], [], ["sales"], T0) == 0
    assert await store.prune(at(1e9), at(1e9)) == 0


async def test_everything_comes_back_as_it_was_given(store: Store) -> None:
    owed = delivery(note="first", attempt=2, timer="Rule", settled=None)
    receiver = ReceiverState(
        "team", "target", 3, Trouble(T0, "down"), "410", {"receiver.failing": 1}
    )
    (recorded,) = await store.commit(commit(owed, snapshots=(FULL,), state=STATE))
    await store.save_receiver(receiver)
    assert recorded.event == owed.event
    assert await store.known("sales", [FULL.conversation.id]) == {FULL.conversation.id: FULL}
    assert await store.source("sales") == STATE
    assert list(await store.events(EventQuery())) == [recorded]
    assert list(await store.deliveries(DeliveryQuery())) == [owed]
    assert await store.receivers() == {"team": receiver}


async def test_times_of_another_zone_come_back_as_the_same_moment(store: Store) -> None:
    east = T0.astimezone(timezone(timedelta(hours=5, minutes=30)))
    owed = delivery(replace(event(), time=east), due=None)
    await store.commit(commit(owed, snapshots=(snapshot(observed=east),)))
    assert list(await store.deliveries(DeliveryQuery())) == [owed]
    assert (await store.known("sales", ["c1"]))["c1"].observed == T0
    assert len(await store.claim("team", T0, lease=LEASE, limit=1)) == 1


async def test_sources_are_given_by_name_and_the_last_state_counts(store: Store) -> None:
    for name in ("support", "leads", "sales"):
        await store.commit(Commit(name, SourceState(name, "chatwoot", "1")))
    await store.commit(Commit("leads", SourceState("leads", "leadping", "2")))
    assert [state.name for state in await store.sources()] == ["leads", "sales", "support"]
    assert (await store.source("leads")).account == "2"


async def test_known_gives_what_exists_of_one_source_removed_ones_included(store: Store) -> None:
    gone = snapshot("gone", present=False)
    await store.commit(Commit("sales", snapshots=(snapshot("c1"), gone)))
    await store.commit(Commit("leads", snapshots=(snapshot("c2"),)))
    assert set(await store.known("sales", ["c1", "c2", "gone", "never"])) == {"c1", "gone"}
    assert await store.known("sales", []) == {}


async def test_present_leaves_removed_ones_out(store: Store) -> None:
    await store.commit(Commit("sales", snapshots=(snapshot("c1"), snapshot("c2"))))
    await store.commit(Commit("sales", snapshots=(snapshot("c2", 2, present=False),)))
    assert set(await store.present_ids("sales")) == {"c1"}
    await store.commit(Commit("sales", snapshots=(snapshot("c2", 3),)))
    assert set(await store.present_ids("sales")) == {"c1", "c2"}


async def test_doubts_are_those_of_conversations_that_are_present(store: Store) -> None:
    doubt = Doubt(T0, ("last_message",), "shown")
    torn, gone = snapshot("torn", doubt=doubt), snapshot("gone", doubt=doubt, present=False)
    await store.commit(Commit("sales", snapshots=(snapshot("whole"), torn, gone)))
    await store.commit(Commit("leads", snapshots=(snapshot("other", doubt=doubt),)))
    assert await store.doubts("sales") == {"torn": doubt}
    await store.commit(Commit("sales", snapshots=(snapshot("torn", 2), snapshot("whole", 2))))
    assert await store.doubts("sales") == {}


async def test_members_follow_from_the_conversation_and_removed_ones_are_none(
    store: Store,
) -> None:
    await store.commit(
        Commit(
            "sales",
            snapshots=(
                snapshot("both", unread=True),
                snapshot("unread", unread=True, assignee="u1"),
                snapshot("unassigned"),
                snapshot("neither", assignee="u1"),
                snapshot("gone", unread=True, present=False),
            ),
        )
    )
    assert set(await store.ids_in_set("sales", "unread")) == {"both", "unread"}
    assert set(await store.ids_in_set("sales", "unassigned")) == {"both", "unassigned"}
    await store.commit(Commit("sales", snapshots=(snapshot("both", 2, assignee="u1"),)))
    assert set(await store.ids_in_set("sales", "unread")) == {"unread"}
    assert set(await store.ids_in_set("sales", "unassigned")) == {"unassigned"}


async def test_an_id_set_that_no_store_knows_is_refused(store: Store) -> None:
    await store.commit(Commit("sales", snapshots=(snapshot(),)))
    with pytest.raises(ValueError, match="'starred'"):
        await store.ids_in_set("sales", "starred")


@pytest.mark.parametrize("revision", [1, 2, 4])
async def test_a_revision_that_is_not_the_next_one_writes_nothing(
    store: Store, revision: int
) -> None:
    await store.commit(Commit("sales", snapshots=(snapshot(),)))
    await store.commit(Commit("sales", snapshots=(snapshot(revision=2, status="two"),)))
    before = await store.known("sales", ["c1", "new"])
    late = commit(delivery(), snapshots=(snapshot("new"), snapshot(revision=revision)), state=STATE)
    with pytest.raises(Conflict):
        await store.commit(late)
    assert await store.known("sales", ["c1", "new"]) == before
    assert await store.source("sales") is None
    assert list(await store.events(EventQuery())) == []
    assert await store.pending() == {}


async def test_a_first_revision_other_than_one_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.commit(Commit("sales", snapshots=(snapshot(revision=2),)))


async def test_a_conflict_of_what_follows_undoes_the_settlements_too(store: Store) -> None:
    await store.commit(commit(delivery()))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    follows = Commit("sales", snapshots=(snapshot(revision=5),))
    with pytest.raises(Conflict):
        await store.settle([settlement(out)], receiver=ReceiverState("team"), commit=follows)
    assert await store.receivers() == {}
    assert [owed.state for owed in await store.deliveries(DeliveryQuery())] == ["pending"]


async def test_an_event_that_is_recorded_already_is_skipped_with_its_deliveries(
    store: Store,
) -> None:
    old, new = event("old"), event("new")
    (first,) = await store.commit(commit(delivery(old)))
    again = commit(delivery(old, receiver="crm"), delivery(new), state=STATE)
    (second,) = await store.commit(again)
    assert (second.event, second.seq > first.seq) == (new, True)
    assert await store.source("sales") == STATE  # the rest of the commit counts
    owed = await store.deliveries(DeliveryQuery())
    assert [(one.event.id, one.receiver) for one in owed] == [("old", "team"), ("new", "team")]


async def test_the_same_event_twice_in_one_commit_is_recorded_once(store: Store) -> None:
    twice = commit(delivery(), events=(event(), event()))
    assert len(await store.commit(twice)) == 1
    assert await store.pending() == {"team": 1}


async def test_a_delivery_is_in_the_outbox_once(store: Store) -> None:
    owed = delivery()
    await store.commit(commit(owed, owed))
    await store.commit(commit(delivery(rule="Other"), events=()))
    assert list(await store.deliveries(DeliveryQuery())) == [owed]


async def test_a_delivery_may_carry_an_event_recorded_earlier(store: Store) -> None:
    await store.commit(Commit("sales", events=(event(),)))
    await store.commit(commit(delivery(id="later"), events=()))
    assert [owed.event for owed in await store.deliveries(DeliveryQuery())] == [event()]


async def test_a_delivery_of_an_event_that_is_nowhere_writes_nothing(store: Store) -> None:
    with pytest.raises(StoreError, match="not recorded"):
        await store.commit(commit(delivery(), events=(), snapshots=(snapshot(),)))
    assert set(await store.present_ids("sales")) == set()


async def test_forget_removes_the_snapshots_first_and_of_this_source_only(store: Store) -> None:
    old = (snapshot("c1"), snapshot("c2"))
    await store.commit(Commit("sales", snapshots=old))
    await store.commit(Commit("leads", snapshots=(snapshot("c1"),)))
    await store.commit(Commit("sales", snapshots=(snapshot("c1"),), forget=True))
    assert set(await store.known("sales", ["c1", "c2"])) == {"c1"}
    assert set(await store.present_ids("leads")) == {"c1"}


async def test_unsee_strikes_paths_first_and_leaves_revisions_alone(store: Store) -> None:
    seen = frozenset({"unread", "disposition", "status"})
    rows = (snapshot("c1", seen=seen), snapshot("c2", seen=frozenset({"unread"})))
    await store.commit(Commit("sales", snapshots=rows))
    await store.commit(Commit("leads", snapshots=(snapshot("c1", seen=seen),)))
    change = Commit(
        "sales",
        snapshots=(snapshot("c1", 2, seen=seen),),
        forget_fields=frozenset({"disposition", "unread"}),
    )
    await store.commit(Commit("sales", forget_fields=frozenset({"disposition"})))
    known = await store.known("sales", ["c1", "c2"])
    assert known["c1"] == replace(rows[0], seen=frozenset({"unread", "status"}))
    assert known["c2"] == rows[1]
    await store.commit(change)
    known = await store.known("sales", ["c1", "c2"])
    assert (known["c1"].seen, known["c2"].seen) == (seen, frozenset())
    assert (await store.known("leads", ["c1"]))["c1"].seen == seen


async def test_places_in_the_log_only_grow_even_when_the_newest_were_pruned(store: Store) -> None:
    (first,) = await store.commit(Commit("sales", events=(event("e1"),)))
    assert await store.prune(at(1), at(1)) == 1
    (second,) = await store.commit(Commit("sales", events=(event("e2"),)))
    assert second.seq > first.seq


async def test_settle_gives_the_new_events_of_what_follows(store: Store) -> None:
    await store.commit(commit(delivery()))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    failing = event("f", type="receiver.failing", source="team", subject=None)
    state = ReceiverState("team", failures=3)
    follows = commit(delivery(failing, receiver="crm"), events=(failing, event()))
    (recorded,) = await store.settle([settlement(out)], receiver=state, commit=follows)
    assert isinstance(recorded, Recorded)
    assert recorded.event == failing
    assert await store.receivers() == {"team": state}
    assert await store.pending() == {"crm": 1}


async def test_close_is_safe_to_call_twice(store: Store) -> None:
    await store.close()
    await store.close()
