"""Every store: who was told that a state lasts hears once that it is over."""

from __future__ import annotations

import pytest

from tests.support.make import LEASE, T0, acted, at, commit, delivery, event, settlement
from watcher.model import Delivery
from watcher.records import Commit, DeliveryQuery, End, HistoryEntry, Settlement
from watcher.store import Store

SHOWN = {"id": "c1", "unread": False}


async def ended(store: Store, seconds: float = 30) -> None:
    """Commit that the state is over."""
    seen = event(f"end {seconds}", seconds=seconds, type="conversation.read")
    over = End("sales", "c1", "Slow", "it was read", None, frozenset({"Slow"}), SHOWN, 25)
    await store.commit(Commit("sales", events=(seen,), ends=(over,)))


async def resolved(store: Store) -> list[Delivery]:
    """Return the messages that tell of an end."""
    return [one for one in await store.deliveries(DeliveryQuery()) if one.kind == "resolved"]


async def begun(store: Store, *owed: Delivery) -> Delivery:
    """Commit a timer and claim it."""
    await store.commit(commit(*owed))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    return out


async def test_who_was_told_hears_once_how_it_ended(store: Store) -> None:
    out = await begun(store, delivery(timer="Slow"))
    await store.settle([settlement(out)])
    await ended(store)
    await ended(store, 60)
    (one,) = await resolved(store)
    assert (one.event.id, one.receiver, one.rule, one.number) == ("e1", "team", "Slow", 2)
    assert (one.due, one.timer, one.state) == (at(30), None, "pending")
    assert one.ending is not None
    assert (one.ending.at, one.ending.reason, one.ending.waited) == (at(30), "it was read", 25)
    assert one.ending.conversation == SHOWN
    (claimed,) = await store.claim("team", at(30), lease=LEASE, limit=9)
    assert claimed.key == one.key


@pytest.mark.parametrize("state", ["dead", "cancelled", None])
async def test_who_was_not_told_hears_nothing(store: Store, state: str | None) -> None:
    out = await begun(store, delivery(timer="Slow"))
    await store.settle([settlement(out, state or "pending")])
    await ended(store)
    assert await resolved(store) == []


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ({"state": "delivered"}, True),
        ({"state": "pending", "uncertain": True}, True),
        ({"state": "pending"}, False),
        ({"state": "dead"}, False),
    ],
)
async def test_what_was_under_way_when_the_state_ended(
    store: Store, outcome: dict[str, object], told: bool
) -> None:
    out = await begun(store, delivery(timer="Slow"))
    await store.begin([out.key])
    await ended(store)
    assert await resolved(store) == []
    await store.settle([settlement(out, **outcome)])  # type: ignore[arg-type]
    await store.unclaim()
    assert bool(await resolved(store)) is told


async def test_a_kill_while_it_was_under_way(store: Store) -> None:
    out = await begun(store, delivery(timer="Slow"))
    await store.begin([out.key, "unknown"])
    await ended(store)
    await store.unclaim()
    assert [one.receiver for one in await resolved(store)] == ["team"]
    await store.unclaim()
    await store.settle([settlement(out)])
    assert len(await resolved(store)) == 1


async def test_a_kill_before_the_state_ended(store: Store) -> None:
    out = await begun(store, delivery(timer="Slow"))
    await store.begin([out.key])
    await store.unclaim()
    await ended(store)
    assert len(await resolved(store)) == 1


async def test_a_kill_before_anything_was_sent(store: Store) -> None:
    await begun(store, delivery(timer="Slow"))
    await store.unclaim()
    await ended(store)
    assert await resolved(store) == []


@pytest.mark.parametrize(("uncertain", "told"), [(False, False), (True, True)])
async def test_what_failed_for_certain_counts_no_more(
    store: Store, uncertain: bool, told: bool
) -> None:
    out = await begun(store, delivery(timer="Slow"))
    await store.begin([out.key])
    await store.settle([settlement(out, "pending", uncertain=uncertain)])
    await ended(store)
    assert bool(await resolved(store)) is told


async def test_an_acknowledged_state_ends_all_the_same(store: Store) -> None:
    out = await begun(store, delivery(timer="Slow"))
    await store.settle([settlement(out)])
    assert await store.acknowledge("sales", "c1", "acknowledged", acted(5)) == 0
    await store.commit(commit(delivery(event("e2"), timer="Slow", due=600)))
    await store.prune(at(9999), at(9999))
    await ended(store)
    assert [one.event.id for one in await resolved(store)] == ["e1"]
    await ended(store, 90)
    assert len(await resolved(store)) == 1


@pytest.mark.parametrize(
    ("state", "receivers"),
    [("delivered", ["team"]), ("pending", []), ("cancelled", []), ("dead", [])],
)
async def test_repeat_alone_told_by_the_event_itself(
    store: Store, state: str, receivers: list[str]
) -> None:
    first = delivery()
    repeat = delivery(event(), timer="Slow", kind="repeat", number=2, due=600)
    out = await begun(store, first, repeat)
    if state == "cancelled":
        done = Settlement(out.key, out.attempt, "cancelled", T0, "dropped", T0, untried=True)
    else:
        done = settlement(out, state)
    await store.settle([done])
    await ended(store)
    assert [one.receiver for one in await resolved(store)] == receivers
    if state == "pending":
        (again,) = await store.claim("team", at(60), lease=LEASE, limit=1)
        await store.settle([settlement(again, seconds=61)])
        assert [one.due for one in await resolved(store)] == [at(30)]


async def test_what_another_receiver_got_instead_is_ended_there(store: Store) -> None:
    out = await begun(store, delivery(timer="Slow"))
    other = Delivery(
        out.id, out.event, "night", "Slow", T0, T0, timer="Slow", kind="for", redirected="team"
    )
    note = HistoryEntry(out.key, T0, "redirected", "night")
    await store.settle(
        [Settlement(out.key, 1, "cancelled", T0, "", T0, untried=True, entry=note, then=(other,))]
    )
    (there,) = await store.claim("night", T0, lease=LEASE, limit=1)
    await store.settle([settlement(there)])
    await ended(store)
    assert [(one.receiver, one.redirected) for one in await resolved(store)] == [("night", "team")]
