"""Every store: what waits for a digest goes out together, and with the same rows again."""

from __future__ import annotations

from tests.support.make import LEASE, T0, at, commit, delivery, digested, event, settlement
from watcher.model import Delivery
from watcher.records import DeliveryQuery
from watcher.store import Store
from watcher.store.outbox import DIGEST_LIMIT


def of(number: int, batch: str = "Rule/09:00", due: float = 60, **changed: object) -> Delivery:
    return digested(event(str(number), subject=f"c{number}"), batch, due=due, **changed)


async def events(store: Store, now: float) -> list[str]:
    return [one.event.id for one in await store.collect("team", at(now), lease=LEASE)]


async def test_a_digest_has_all_that_is_due_of_its_batch(store: Store) -> None:
    await store.commit(commit(of(1), of(2), of(3, "Rule/10:00"), delivery(event("4"))))
    assert await events(store, 59) == []
    assert await events(store, 60) == ["1", "2"]
    assert await events(store, 60) == ["3"]
    assert await events(store, 60) == []


async def test_a_claim_takes_no_digest_and_a_digest_holds_up_nothing(store: Store) -> None:
    await store.commit(commit(digested(event("1"), due=0), delivery(event("2"))))
    taken = await store.claim("team", T0, lease=LEASE, limit=9)
    assert [one.event.id for one in taken] == ["2"]


async def test_what_comes_late_makes_another_message(store: Store) -> None:
    await store.commit(commit(of(1), of(2)))
    first = await store.collect("team", at(60), lease=LEASE)
    assert len({one.message for one in first}) == 1
    await store.commit(commit(of(3)))
    await store.settle([settlement(one, "pending", seconds=60) for one in first])
    late = await store.collect("team", at(61), lease=LEASE)
    assert [one.event.id for one in late] == ["3"]
    await store.settle([settlement(one, "pending", seconds=60) for one in late])
    again = await store.collect("team", at(120), lease=LEASE)
    assert [(one.event.id, one.message, one.attempt) for one in again] == [
        ("1", first[0].message, 2),
        ("2", first[0].message, 2),
    ]
    assert {one.message for one in late}.isdisjoint(one.message for one in first)


async def test_after_a_crash_the_same_rows_go_again_under_the_same_id(store: Store) -> None:
    await store.commit(commit(of(1), of(2)))
    first = await store.collect("team", at(60), lease=LEASE)
    await store.commit(commit(of(3)))
    await store.unclaim()
    again = await store.collect("team", at(61), lease=LEASE)
    assert [(one.key, one.message) for one in again] == [(one.key, one.message) for one in first]


async def test_given_back_untried_it_is_not_yet_composed(store: Store) -> None:
    await store.commit(commit(of(1)))
    (out,) = await store.collect("team", at(60), lease=LEASE)
    await store.settle([settlement(out, "pending", untried=True, batch="Rule/opening")])
    (back,) = await store.deliveries(DeliveryQuery())
    assert (back.message, back.batch, back.attempt) == ("", "Rule/opening", 0)


async def test_a_digest_has_a_greatest_size(store: Store) -> None:
    await store.commit(commit(*(of(number) for number in range(DIGEST_LIMIT + 1))))
    first = await store.collect("team", at(60), lease=LEASE)
    rest = await store.collect("team", at(60), lease=LEASE)
    assert (len(first), len(rest)) == (DIGEST_LIMIT, 1)
    assert first[0].message != rest[0].message


async def test_a_digest_is_found_and_retried_by_its_own_id(store: Store) -> None:
    await store.commit(commit(of(1), of(2), delivery(event("3"))))
    out = await store.collect("team", at(60), lease=LEASE)
    await store.settle([settlement(one, "dead", seconds=60) for one in out])
    assert len(await store.deliveries(DeliveryQuery(id=out[0].message))) == 2
    assert await store.retry([out[0].id], at(70)) == 2
    again = await store.collect("team", at(70), lease=LEASE)
    assert {one.message for one in again} == {out[0].message}
    assert len(again) == 2


async def test_the_digests_of_a_removed_rule_are_cancelled_visibly(store: Store) -> None:
    await store.commit(commit(of(1), of(2, rule="Other")))
    assert await store.retire_unconfigured(["team"], ["Other"], ["sales"], at(5)) == 1
    one, other = await store.deliveries(DeliveryQuery())
    assert (one.state, one.note) == ("cancelled", "the rule is no longer configured")
    assert other.state == "pending"
    assert [line.kind for line in await store.history([one.key])] == ["buried"]
