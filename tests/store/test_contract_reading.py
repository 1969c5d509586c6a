"""Every store: what can be asked of the log and the outbox, and what leaves them with time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.make import LEASE, T0, at, commit, delivery, event, settlement, snapshot
from watcher.model import Event, Message, Snapshot
from watcher.records import (
    Commit,
    ConversationQuery,
    DeliveryQuery,
    End,
    EventQuery,
    Queue,
    SourceState,
)
from watcher.store import Store

TYPES = {
    "1": ("conversation.unread", "sales", "c1"),
    "2": ("conversation.read", "sales", "c2"),
    "3": ("conversation.team_changed", "leads", "c1"),
    "4": ("source.failing", "leads", None),
    "5": ("conversation.unread", "leads", "c1"),
}


async def fill(store: Store) -> None:
    for number, (type_, source, subject) in enumerate(TYPES.values(), 1):
        happened = event(str(number), type=type_, source=source, subject=subject, seconds=number)
        await store.commit(Commit(source, events=(happened,)))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "1 2 3 4 5"),
        ({"limit": 2}, "4 5"),
        ({"limit": 0}, ""),
        ({"types": ("conversation.unread",)}, "1 5"),
        ({"types": ("conversation.*",)}, "1 2 3 5"),
        ({"types": ("*.failing",)}, "4"),
        ({"types": ("*",)}, "1 2 3 4 5"),
        ({"types": ("*a*.*e*",)}, "1 2 3 5"),
        ({"types": ("conversation.team_changed",)}, "3"),
        ({"types": ("conversation.team*changed",)}, "3"),
        ({"types": ("conversation",)}, ""),
        ({"types": ("Conversation.*",)}, ""),
        ({"types": ("conversation.team?changed",)}, ""),
        ({"types": ("conversation.tea__changed",)}, ""),
        ({"types": ("%",)}, ""),
        ({"types": ("[cs]*",)}, ""),
        ({"types": ("\\*",)}, ""),
        ({"sources": ("leads",)}, "3 4 5"),
        ({"sources": ("leads", "sales"), "limit": 3}, "3 4 5"),
        ({"types": ("*.failing", "*.read")}, "2 4"),
        ({"conversations": ("c1",)}, "1 3 5"),
        ({"conversations": ("c1", "c2")}, "1 2 3 5"),
        ({"conversations": ("c2", "c9")}, "2"),
        ({"conversations": ("c1",), "sources": ("leads",), "limit": 1}, "5"),
        ({"id": "4"}, "4"),
        ({"id": "never"}, ""),
        ({"since": at(3)}, "3 4 5"),
        ({"since": at(3), "types": ("*.unread",)}, "5"),
        ({"until": at(3)}, "1 2"),
        ({"types": ("conversation.*",), "limit": 2}, "3 5"),
        ({"types": ("conversation.*", "source.failing"), "limit": 2}, "4 5"),
        ({"types": ("nothing.*",)}, ""),
        ({"since": at(2), "until": at(4)}, "2 3"),
    ],
)
async def test_events_are_found_newest_ones_oldest_first(
    store: Store, asked: dict, found: str
) -> None:
    await fill(store)
    events = await store.events(EventQuery(**asked))
    assert " ".join(recorded.event.id for recorded in events) == found
    assert [one async for one in store.each_event(EventQuery(**asked))] == list(events)


async def test_events_after_a_place_in_the_log(store: Store) -> None:
    await fill(store)
    log = await store.events(EventQuery())
    assert list(await store.events(EventQuery(after=log[2].seq))) == list(log[3:])
    assert list(await store.events(EventQuery(after=log[4].seq))) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "e1/team e1/crm e2/team e2.Slow/crm"),
        ({"limit": 2}, "e2/team e2.Slow/crm"),
        ({"limit": 0}, ""),
        ({"state": "delivered"}, "e1/team"),
        ({"state": "dead"}, ""),
        ({"receiver": "crm"}, "e1/crm e2.Slow/crm"),
        ({"events": ("e2",)}, "e2/team e2.Slow/crm"),
        ({"types": ("conversation.unread", "x")}, "e1/team e1/crm e2/team e2.Slow/crm"),
        ({"types": ("x.*",)}, ""),
        ({"sources": ("sales", "leads")}, "e1/team e1/crm e2/team e2.Slow/crm"),
        ({"sources": ("leads",)}, ""),
        ({"conversations": ("c1", "c2"), "receiver": "crm"}, "e1/crm e2.Slow/crm"),
        ({"since": at(1)}, "e2/team e2.Slow/crm"),
        ({"until": at(1)}, "e1/team e1/crm"),
        ({"id": "e1"}, "e1/team e1/crm"),
        ({"id": "e2.Slow"}, "e2.Slow/crm"),
        ({"state": "pending", "receiver": "crm", "limit": 1}, "e2.Slow/crm"),
        ({"tried": True}, "e1/team"),
        ({"batch": "Rule/09:00"}, ""),
    ],
)
async def test_deliveries_are_found_newest_ones_oldest_first(
    store: Store, asked: dict, found: str
) -> None:
    second = event("e2", seconds=5)
    await store.commit(commit(delivery(), delivery(receiver="crm")))
    await store.commit(commit(delivery(second), delivery(second, timer="Slow", receiver="crm")))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out)])
    deliveries = await store.deliveries(DeliveryQuery(**asked))
    assert " ".join(owed.key for owed in deliveries) == found
    assert [one async for one in store.each_delivery(DeliveryQuery(**asked))] == list(deliveries)
    assert [one async for one in store.each_key(DeliveryQuery(**asked))] == found.split()


async def test_pending_counts_by_receiver(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(receiver="crm"), delivery(timer="Slow")))
    assert await store.pending() == {"team": 2, "crm": 1}
    out = await store.claim("team", T0, lease=LEASE, limit=2)
    await store.settle([settlement(one) for one in out])
    assert await store.pending() == {"crm": 1}


async def test_dead_ones_are_counted_by_receiver_until_they_are_sent_again(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(receiver="crm"), delivery(event("e2"))))
    assert await store.dead() == {}
    for receiver in ("team", "crm"):
        (out,) = await store.claim(receiver, T0, lease=LEASE, limit=1)
        await store.settle([settlement(out, "dead")])
    assert await store.dead() == {"team": 1, "crm": 1}
    await store.retry(["e1/team"], T0)
    assert await store.dead() == {"crm": 1}


async def test_prune_removes_what_is_older_and_keeps_what_is_not(store: Store) -> None:
    await fill(store)
    assert await store.prune(at(3), at(3)) == 2
    assert [found.event.id for found in await store.events(EventQuery())] == ["3", "4", "5"]
    assert await store.prune(at(3), at(3)) == 0


async def test_prune_keeps_pending_deliveries_and_the_events_they_carry(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(event("e2"), receiver="crm")))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out, seconds=10)])
    assert await store.prune(at(100), at(10)) == 0  # settled at ten is not older than ten
    assert await store.prune(at(100), at(10.000001)) == 2
    assert [found.event.id for found in await store.events(EventQuery())] == ["e2"]
    assert [owed.id for owed in await store.deliveries(DeliveryQuery())] == ["e2"]


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
async def test_settled_deliveries_go_in_whatever_state(store: Store, state: str) -> None:
    await store.commit(commit(delivery()))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out, state)])
    assert await store.prune(T0, at(1)) == 1
    assert len(await store.events(EventQuery())) == 1


async def test_an_event_stays_as_long_as_a_delivery_that_stays_carries_it(store: Store) -> None:
    await store.commit(commit(delivery()))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out, "dead", seconds=50)])
    assert await store.prune(at(100), at(20)) == 0
    (kept,) = await store.deliveries(DeliveryQuery())
    assert kept.event == event()


async def test_prune_keeps_timers_that_have_not_ended(store: Store) -> None:
    await store.commit(commit(delivery(timer="Slow")))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out)])
    assert await store.prune(at(1000), at(1000)) == 0
    await store.commit(Commit("sales", ends=(End("sales", "c1"),)))
    assert await store.prune(at(1000), at(1000)) == 2


async def test_a_cancelled_timer_without_a_time_is_as_old_as_its_making(store: Store) -> None:
    await store.commit(commit(delivery(event(seconds=7), timer="Slow", due=5000)))
    await store.commit(Commit("sales", ends=(End("sales", "c1"),)))
    assert await store.prune(T0, at(7)) == 0
    assert await store.prune(T0, at(8)) == 1


async def test_ids_are_found_by_their_beginning(store: Store) -> None:
    for id_, subject in (("ab1", "c10"), ("ab2", "c11"), ("b", "c10"), ("aé", None)):
        await store.commit(Commit("sales", events=(event(id_, subject=subject),)))
    await store.commit(
        Commit("sales", snapshots=(snapshot("c12"), snapshot("c10"), snapshot("x", present=False)))
    )
    owed = (delivery(event("ab1"), id="d1"), delivery(event("ab1"), id="d1", receiver="crm"))
    digest = delivery(event("ab2"), id="d2", kind="digest", batch="b1", message="d0")
    await store.commit(Commit("sales", deliveries=(*owed, digest)))
    assert list(await store.ids("event", "a", 9)) == ["ab1", "ab2", "aé"]
    assert list(await store.ids("event", "ab", 1)) == ["ab1"]
    assert list(await store.ids("event", "aé", 9)) == ["aé"]
    assert list(await store.ids("event", "c", 9)) == []
    assert list(await store.ids("event", "a%", 9)) == []
    assert list(await store.ids("event", "", 9)) == ["ab1", "ab2", "aé", "b"]
    assert list(await store.ids("event", "", 0)) == []
    assert list(await store.ids("delivery", "d", 9)) == ["d0", "d1", "d2"]
    assert list(await store.ids("conversation", "c1", 9)) == ["c10", "c11", "c12"]
    assert list(await store.ids("conversation", "c1", 2)) == ["c10", "c11"]
    assert list(await store.ids("conversation", "x", 9)) == ["x"]


async def test_pending_ones_are_counted_by_what_they_wait_for(store: Store) -> None:
    await store.commit(
        commit(
            delivery(due=0),
            delivery(timer="Slow", due=900),
            delivery(timer="Quick", due=5),
            delivery(event("e2"), id="d", kind="digest", batch="b", due=900),
            delivery(event("e3"), id="h", held=True, due=900),
            delivery(event("e4"), id="f", attempt=2, due=900),
            delivery(receiver="crm", state="dead"),
        )
    )
    assert await store.queues(at(10)) == {"team": Queue(due=3, waiting=2, held=1)}
    assert await store.queues(at(900)) == {"team": Queue(due=6)}
    for word, keys in (
        ("due", "e1/team e1.Quick/team f/team"),
        ("waiting", "e1.Slow/team d/team"),
        ("held", "h/team"),
        ("dead", "e1/crm"),
    ):
        found = await store.deliveries(DeliveryQuery(stands=(word, at(10))))
        assert " ".join(one.key for one in found) == keys
    assert Queue(3, 2, 1).pending == 6


async def test_dead_ones_are_counted_since_a_time(store: Store) -> None:
    owed = (
        delivery(receiver=name, state="dead", settled=at(seconds))
        for name, seconds in (("team", 10), ("crm", 20))
    )
    await store.commit(commit(*owed, delivery(event("e2"), state="dead", settled=at(30))))
    assert await store.dead() == {"team": 2, "crm": 1}
    assert await store.dead(since=at(10)) == {"team": 1, "crm": 1}
    assert await store.dead(since=at(30)) == {}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "sales/c2 leads/c1 sales/c1 sales/c5 leads/c3 sales/c4"),
        ({"limit": 3}, "sales/c2 leads/c1 sales/c1"),
        ({"limit": 0}, ""),
        ({"waiting": True}, "sales/c2 leads/c1 sales/c1 sales/c5"),
        ({"waiting": True, "limit": 1}, "sales/c2"),
        ({"waiting": True, "sources": ("leads",)}, "leads/c1"),
        ({"sources": ("sales", "leads"), "unread": True}, "sales/c1 leads/c3"),
        ({"archived": True}, "sales/c5 sales/c4"),
        ({"archived": False}, "sales/c2 leads/c1 sales/c1 leads/c3"),
        ({"assignee": "u1"}, "sales/c1 sales/c4"),
        ({"assignee": ""}, "sales/c2 leads/c1 sales/c5 leads/c3"),
        ({"assignee": "nobody"}, ""),
        ({"ids": ("c1",)}, "leads/c1 sales/c1"),
        ({"ids": ("c1",), "sources": ("sales",)}, "sales/c1"),
        ({"ids": ("gone",)}, ""),
    ],
)
async def test_conversations_come_by_how_long_they_wait(
    store: Store, asked: dict, found: str
) -> None:
    rows = {
        "sales": (
            snapshot("c1", waiting_since=at(50), unread=True, assignee="u1"),
            snapshot("c2", waiting_since=at(0.25)),
            snapshot("c4", archived=True, assignee="u1"),
            snapshot("gone", waiting_since=at(0), present=False),
            snapshot("c5", waiting_since=at(70), archived=True),
        ),
        "leads": (snapshot("c3", unread=True), snapshot("c1", waiting_since=at(7))),
    }
    for source, snapshots in rows.items():
        await store.commit(Commit(source, snapshots=snapshots))
    known = [one async for one in store.each_conversation(ConversationQuery(**asked))]
    assert " ".join(f"{source}/{one.conversation.id}" for source, one in known) == found
    assert all(one in rows[source] for source, one in known)


async def test_conversations_come_whole_and_in_order_however_many_are_read_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.store.sqlite.PAGE", 3)
    for name in ("sales", "leads"):
        rows = [
            snapshot(f"c{n}", waiting_since=at(n % 4) if n % 3 else None, unread=n % 5 == 0)
            for n in range(17)
        ]
        await store.commit(Commit(name, snapshots=tuple(rows)))
    order = [
        (one.conversation.waiting_since or at(99), source, one.conversation.id)
        async for source, one in store.each_conversation(ConversationQuery())
    ]
    assert len(order) == 34
    assert order == sorted(order)
    for limit in (0, 1, 3, 20, 22, 30):
        some = [one async for one in store.each_conversation(ConversationQuery(limit=limit))]
        assert [(source, one.conversation.id) for source, one in some] == [
            (source, id_) for _, source, id_ in order[:limit]
        ]


async def test_what_is_known_of_a_source_has_a_size_that_follows_every_change(
    store: Store,
) -> None:
    async def size(*known: Snapshot, **more: Any) -> int:
        await store.commit(Commit("sales", snapshots=known, **more))
        return await store.size("sales")

    assert await store.size("sales") == 0
    one = await size(snapshot("c1", last_message=Message(text="é" * 100)))
    assert one > 200
    both = await size(snapshot("c2"))
    assert both > one
    assert await size(snapshot("c1", revision=2, last_message=Message(text="é" * 90))) == both - 20
    assert await store.size("leads") == 0
    state = SourceState("sales", "chatwoot", "")
    assert await size(snapshot("c3"), forget=True, state=state) == both - one


async def test_what_carries_a_message_about_what_held_before_is_not_in_the_log(
    store: Store,
) -> None:
    held = Event("held", "conversation.unread", "sales", "c1", T0, {"existing": True})
    owed = delivery(held, timer="Slow")
    assert list(await store.commit(commit(owed))) == []
    assert list(await store.commit(commit(owed))) == []
    assert list(await store.events(EventQuery())) == []
    assert list(await store.events(EventQuery(id="held"))) == []
    (there,) = await store.deliveries(DeliveryQuery(events=("held",)))
    assert there.event == held
