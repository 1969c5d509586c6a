"""Every store: what follows a delivery, and what is told, marked and silenced beside it."""

from __future__ import annotations

from dataclasses import replace

from tests.support.make import LEASE, T0, acted, at, commit, delivery, event, settlement
from watcher.model import Delivery
from watcher.records import (
    Commit,
    DeliveryQuery,
    End,
    HistoryEntry,
    RuleResult,
    StoredSilence,
    Suppressed,
    ThrottleMark,
)
from watcher.store import Store

SAID = (
    RuleResult("A", True, "`when` matches"),
    RuleResult("B", False, "`where` is false: naïve ☃"),
)


async def out(store: Store, owed: Delivery) -> Delivery:
    await store.commit(commit(owed))
    (taken,) = await store.claim("team", T0, lease=LEASE, limit=1)
    return taken


def repeated(of: Delivery) -> Delivery:
    return replace(of, id="again", kind="repeat", number=2, attempt=0, due=at(60))


async def keys(store: Store) -> list[str]:
    return [one.key for one in await store.deliveries(DeliveryQuery())]


async def test_what_follows_is_added_with_the_outcome(store: Store) -> None:
    taken = await out(store, delivery(timer="Slow", due=0))
    await store.settle([settlement(taken, then=(repeated(taken),))])
    assert await keys(store) == [taken.key, "again/team"]
    assert await store.next_due("team") == at(60)


async def test_nothing_follows_once_the_state_has_ended(store: Store) -> None:
    taken = await out(store, delivery(timer="Slow", due=0))
    await store.commit(Commit("sales", ends=(End("sales", "c1", None, "read"),), at=at(1)))
    await store.settle([settlement(taken, then=(repeated(taken),))])
    assert await keys(store) == [taken.key]


async def test_nothing_follows_from_an_outcome_that_comes_too_late(store: Store) -> None:
    taken = await out(store, delivery(timer="Slow", due=0))
    await store.unclaim()
    await store.claim("team", T0, lease=LEASE, limit=1)
    entry = HistoryEntry(taken.key, T0, "attempt", "late")
    await store.settle([settlement(taken, then=(repeated(taken),), entry=entry, silence="s")])
    assert await keys(store) == [taken.key]
    assert list(await store.history([taken.key])) == []
    assert await store.suppressed() == {}


async def test_an_end_cancels_a_repeat_too(store: Store) -> None:
    taken = await out(store, delivery(timer="Slow", due=0))
    await store.settle([settlement(taken, then=(repeated(taken),))])
    await store.commit(Commit("sales", ends=(End("sales", "c1", "Slow", "read"),), at=at(9)))
    assert await store.pending() == {}
    assert list(await store.history(["again/team"])) == [
        HistoryEntry("again/team", at(9), "cancelled", "read")
    ]


async def test_what_is_held_is_ahead_of_nobody(store: Store) -> None:
    taken = await out(store, delivery(event("1")))
    await store.settle([settlement(taken, "pending", untried=True, held=True)])
    await store.commit(commit(delivery(event("2"))))
    (later,) = await store.claim("team", at(1), lease=LEASE, limit=9)
    assert later.event.id == "2"
    both = await store.claim("team", at(60), lease=LEASE, limit=9)
    assert [(one.event.id, one.held) for one in both] == [("1", True)]


async def test_another_candidate_takes_over(store: Store) -> None:
    taken = await out(store, delivery(candidates=("Rule", "Other")))
    await store.settle([settlement(taken, rule="Other")])
    (owed,) = await store.deliveries(DeliveryQuery())
    assert (owed.rule, owed.candidates) == ("Other", ("Rule", "Other"))


async def test_the_history_tells_what_was_done_in_its_order_and_goes_with_the_delivery(
    store: Store,
) -> None:
    taken = await out(store, delivery())
    first = HistoryEntry(taken.key, at(1), "attempt", "500", 1, 500, "oops ☃", 0.5)
    await store.settle([settlement(taken, "dead", seconds=1, entry=first)])
    await store.retry(None, at(5))
    told = await store.history([taken.key, "other"])
    assert list(told) == [
        first,
        HistoryEntry(taken.key, at(5), "retried", "to be sent again, by hand"),
    ]
    buried = HistoryEntry(taken.key, at(6), "buried", "the receiver is no longer configured")
    waiting = replace(taken, attempt=0)
    await store.settle([settlement(waiting, "dead", seconds=6, entry=buried)])
    assert list(await store.history([taken.key]))[2:] == [buried]
    await store.prune(at(99), at(99))
    assert list(await store.history([taken.key])) == []


async def test_verdicts_are_kept_with_their_event_and_never_rewritten(store: Store) -> None:
    await store.commit(commit(delivery(event("1")), verdicts={"1": SAID, "2": SAID}))
    await store.commit(commit(delivery(event("1")), verdicts={"1": ()}))
    await store.commit(commit(delivery(event("3"))))
    assert dict(await store.verdicts(["1", "2", "3"])) == {"1": SAID}
    taken = await store.claim("team", T0, lease=LEASE, limit=9)
    await store.settle([settlement(one) for one in taken])
    await store.prune(at(99), at(99))
    assert dict(await store.verdicts(["1"])) == {}


async def test_a_mark_counts_until_what_left_it_is_dead(store: Store) -> None:
    taken = await out(store, delivery())
    mark = ThrottleMark("Rule", "team", "c1", T0, at(600), taken.key)
    await store.settle([settlement(taken, "pending")], marks=[mark])
    wanted = [("Rule", "c1"), ("Rule", "c2")]
    assert await store.marks("team", wanted) == {("Rule", "c1"): mark}
    assert await store.marks("crm", wanted) == {}
    renewed = replace(mark, until=at(900))
    await store.settle([], marks=[renewed])
    assert await store.marks("team", wanted) == {("Rule", "c1"): renewed}
    (again,) = await store.claim("team", at(60), lease=LEASE, limit=1)
    await store.settle([settlement(again, "dead")])
    assert await store.marks("team", wanted) == {}
    await store.prune(at(901), at(901))
    assert await store.marks("team", wanted) == {}


async def test_a_mark_outlives_its_delivery_but_not_its_use(store: Store) -> None:
    mark = ThrottleMark("Rule", "team", "c1", T0, at(600), "long gone")
    await store.settle([], marks=[mark])
    await store.prune(at(600), at(600))
    assert await store.marks("team", [("Rule", "c1")]) == {("Rule", "c1"): mark}
    await store.prune(at(601), at(601))
    assert await store.marks("team", [("Rule", "c1")]) == {}


async def test_silences_begin_end_and_are_expired(store: Store) -> None:
    one = StoredSilence("b", 'source == "sales"', "moving house", T0, at(600), "Ana")
    two = StoredSilence("a", "true", "", at(-5), at(5))
    await store.add_silence(one)
    await store.add_silence(two)
    assert list(await store.silences()) == [two, one]
    assert await store.expire_silence("b", at(60))
    assert not await store.expire_silence("b", at(61))
    assert not await store.expire_silence("a", at(5))
    assert not await store.expire_silence("c", at(5))
    assert list(await store.silences()) == [two, replace(one, ends=at(60))]
    await store.add_silence(one)
    assert list(await store.silences()) == [two, one]
    await store.prune(T0, at(100))
    assert list(await store.silences()) == [one]


async def test_what_a_silence_stopped_is_counted(store: Store) -> None:
    for number in range(3):
        taken = await out(store, delivery(event(str(number), subject=f"c{number}")))
        name = "night" if number else "other"
        await store.settle([settlement(taken, "cancelled", seconds=number, silence=name)])
    assert await store.suppressed() == {
        "other": Suppressed(1, at(0)),
        "night": Suppressed(2, at(2)),
    }


async def test_an_acknowledgement_ends_the_timers_of_a_conversation_and_no_others(
    store: Store,
) -> None:
    await store.commit(
        commit(
            delivery(event("1"), timer="Slow"),
            delivery(event("2"), timer="Slower"),
            delivery(event("3", subject="c2"), timer="Slow"),
            delivery(event("4", source="leads"), timer="Slow"),
            delivery(event("5", subject=None), timer="Slow"),
            delivery(event("6")),
        )
    )
    assert await store.acknowledge("sales", "c1", "acknowledged", acted(7)) == 2
    assert await store.acknowledge("leads", "c1", "acknowledged", acted(8)) == 1
    assert await store.acknowledge("sales", "sales", "acknowledged", acted(9)) == 0
    assert await store.pending() == {"team": 3}
    assert [line.at for line in await store.history(["1.Slow/team"])] == [at(7)]
    await store.commit(commit(delivery(event("7"), timer="Slow")))
    assert await store.pending() == {"team": 4}
