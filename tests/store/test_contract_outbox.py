"""Every store: who may take which delivery when, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.support.make import LEASE, T0, at, commit, delivery, digested, event, settlement
from watcher.model import Delivery
from watcher.records import DeliveryQuery, Settlement
from watcher.store import Store


async def fill(store: Store, *deliveries: Delivery) -> None:
    """Commit these deliveries one after the other."""
    for owed in deliveries:
        await store.commit(commit(owed))


async def take(store: Store, seconds: float = 0, *, limit: int = 100) -> Sequence[Delivery]:
    """Claim for the receiver `team`."""
    return await store.claim("team", at(seconds), lease=LEASE, limit=limit)


async def ids(store: Store, seconds: float = 0, *, limit: int = 100) -> str:
    """Claim for the receiver `team` and give the ids in their order."""
    return " ".join([d.id for d in await take(store, seconds, limit=limit)])


async def fail(store: Store, seconds: float = 0, **changed: Any) -> str:
    """Claim and fail whatever can be claimed; it is due again a minute later."""
    out = await take(store, seconds)
    await store.settle([settlement(one, "pending", seconds=seconds, **changed) for one in out])
    return " ".join(one.id for one in out)


async def give_up(store: Store, *receivers: str) -> None:
    """Bury what waits for these receivers, or (none) for all."""
    for one in await store.deliveries(DeliveryQuery(state="pending")):
        if one.receiver in receivers or not receivers:
            await store.settle([settlement(one, "dead", seconds=1)])


async def only(store: Store) -> Delivery:
    """Return the outbox's only delivery."""
    (owed,) = await store.deliveries(DeliveryQuery())
    return owed


def of(name: str, conversation: str, seconds: float = 0, **changed: object) -> Delivery:
    """Make a delivery of an event about a conversation."""
    return delivery(event(name, subject=conversation, seconds=seconds), **changed)


async def test_a_delivery_is_not_taken_before_it_is_due(store: Store) -> None:
    await fill(store, delivery(due=10))
    assert await ids(store, 9.999999) == ""
    assert await ids(store, 10) == "e1"


async def test_each_receiver_takes_its_own(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(receiver="crm")))
    assert [d.receiver for d in await take(store)] == ["team"]
    assert await store.pending() == {"team": 1, "crm": 1}


async def test_the_longest_due_come_first_and_the_limit_holds(store: Store) -> None:
    await fill(store, of("late", "c1", due=30), of("b", "c2", due=10), of("a", "c3", due=10))
    assert await ids(store, 60, limit=2) == "b a"
    assert await ids(store, 60, limit=2) == "late"
    assert await ids(store, 999, limit=0) == ""


async def test_what_is_taken_is_hidden_until_its_lease_ends(store: Store) -> None:
    await fill(store, delivery())
    (first,) = await take(store)
    assert await ids(store, 59.999) == ""
    (second,) = await take(store, 60)
    assert (first.attempt, second.attempt) == (1, 2)
    assert (await only(store)).attempt == 2


async def test_leases_end_for_all_at_a_start_after_a_crash(store: Store) -> None:
    await store.commit(commit(delivery()))
    assert await ids(store) == "e1"
    await store.unclaim()
    (again,) = await take(store)
    assert again.attempt == 2


async def test_leases_end_for_one_receiver_whose_dispatcher_has_ended(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(receiver="crm")))
    assert await ids(store) == "e1"
    await store.claim("crm", at(0), lease=LEASE, limit=9)
    await store.unclaim("crm")
    assert await ids(store) == ""
    assert [d.attempt for d in await store.claim("crm", at(0), lease=LEASE, limit=9)] == [2]


async def test_leases_of_one_receiver_are_renewed_also_when_they_are_over(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(receiver="crm")))
    assert await ids(store) == "e1"
    await store.claim("crm", at(0), lease=LEASE, limit=9)
    await store.renew("team", at(200))
    assert await ids(store, 199) == ""
    assert [d.attempt for d in await store.claim("crm", at(60), lease=LEASE, limit=9)] == [2]
    assert await ids(store, 200) == "e1"


async def test_what_nobody_has_taken_gets_no_lease(store: Store) -> None:
    await fill(store, of("1", "c1"), of("2", "c2"))
    (first,) = await take(store, limit=1)
    await store.settle([settlement(first, "pending")])
    await store.renew("team", at(500))
    assert await ids(store, 90) == "2 1"


async def test_a_later_one_of_the_same_conversation_waits_for_the_earlier(store: Store) -> None:
    await fill(store, of("1", "c1"), of("2", "c1"), of("other", "c2"))
    (first, _) = await take(store)
    assert await ids(store, 120) == "1 other"  # leases ran out; still not the second
    await store.settle([settlement(first)])
    assert (await only_pending(store)) == "1 2 other"  # fenced off: attempt 1 is history
    first, _ = await take(store, 240)
    await store.settle([settlement(first)])
    assert await ids(store, 240) == "2"


async def only_pending(store: Store) -> str:
    """Return the ids of what is pending."""
    return " ".join(d.id for d in await store.deliveries(DeliveryQuery(state="pending")))


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
async def test_the_later_one_goes_once_the_earlier_is_done_in_whatever_way(
    store: Store, state: str
) -> None:
    await fill(store, of("1", "c1"), of("2", "c1"))
    (first,) = await take(store)
    await store.settle([settlement(first, state)])
    assert await ids(store) == "2"


async def test_the_later_one_waits_while_the_earlier_is_not_even_due(store: Store) -> None:
    await fill(store, of("1", "c1", due=100), of("2", "c1", due=0))
    assert await ids(store, 50) == ""


async def test_order_is_kept_by_receiver_source_and_conversation(store: Store) -> None:
    leads = delivery(event("3", source="leads", subject="c1"))
    whole = delivery(event("4", source="sales", subject=None, type="source.failing"))
    await fill(store, of("1", "c1"), of("2", "c1", receiver="crm"), leads, whole)
    assert await ids(store) == "1 3 4"


async def test_events_without_a_subject_are_in_order_too(store: Store) -> None:
    await fill(
        store,
        delivery(event("1", subject=None, type="source.failing")),
        delivery(event("2", subject=None, type="source.recovered")),
    )
    assert await ids(store) == "1"


async def test_timers_wait_for_nobody_and_nobody_waits_for_them(store: Store) -> None:
    await fill(store, of("1", "c1", timer="A"), of("2", "c1"), of("3", "c1", timer="B"))
    assert await ids(store) == "1.A 2 3.B"


async def test_what_is_set_aside_lets_later_ones_pass(store: Store) -> None:
    await fill(store, of("1", "c1"), of("2", "c1"), of("3", "c1"))
    assert await fail(store) == "1"
    assert await ids(store, 59) == ""
    assert await fail(store, 60, aside=True) == "1"
    assert await store.ready("team", at(61))
    assert await ids(store, 61) == "2"


async def test_what_is_set_aside_waits_for_nobody_and_stays_aside(store: Store) -> None:
    await fill(store, of("1", "c1"), of("2", "c1"), of("3", "c1"))
    await fail(store, aside=True)
    assert await ids(store, 59.5) == "2"
    assert await ids(store, 60) == "1"  # beside the second one
    assert await fail(store, 120) == "2 1"
    assert await ids(store, 179) == "", "the second one is not aside"


async def test_together_what_is_set_aside_has_its_place_in_the_order_of_the_outbox(
    store: Store,
) -> None:
    await fill(store, of("1", "c1"), of("2", "c1"), of("3", "c1"))
    await fail(store, aside=True)
    taken = await store.claim("team", at(60), lease=LEASE, limit=9, together=True)
    assert [one.id for one in taken] == ["1", "2", "3"]


async def test_what_was_set_aside_and_is_sent_again_by_hand_is_back_in_the_order(
    store: Store,
) -> None:
    await fill(store, of("1", "c1"), of("2", "c1"), of("3", "c1"))
    await fail(store, aside=True)
    (one,) = await store.deliveries(DeliveryQuery(id="1"))
    await store.settle([settlement(one, "dead", seconds=9)])
    assert await ids(store, 10) == "2"
    await store.retry(["1"], at(20))
    assert await ids(store, 20) == "", "the second one is still out"
    (second,) = await store.deliveries(DeliveryQuery(id="2"))
    await store.settle([settlement(second, seconds=21)])
    assert await ids(store, 22) == "1"
    assert await ids(store, 22) == ""


async def test_a_delivery_that_was_refused_once_remains_so_until_it_is_sent_again_by_hand(
    store: Store,
) -> None:
    await fill(store, of("1", "c1"))
    await fail(store, refused=7)
    await fail(store, 60)
    (out,) = await take(store, 120)
    assert out.refused == 7
    await store.settle([settlement(out, "dead", seconds=120)])
    await store.retry(["1"], at(130))
    assert (await only(store)).refused == 0


async def test_what_is_ready_is_what_could_be_taken(store: Store) -> None:
    assert not await store.ready("team", T0)
    await fill(store, of("1", "c1", due=10), of("2", "c1"), digested(event("3"), due=20))
    assert not await store.ready("team", at(5))  # 2 waits for 1
    assert await store.ready("team", at(10))
    await take(store, 10)
    assert not await store.ready("team", at(11))  # 1 is out
    assert not await store.ready("crm", at(11))
    assert await store.ready("team", at(20))  # the digest
    await store.collect("team", at(20), lease=LEASE)
    assert not await store.ready("team", at(21))


async def test_an_outcome_is_recorded_and_the_lease_ends(store: Store) -> None:
    await fill(store, delivery())
    (out,) = await take(store)
    await store.settle([Settlement(out.key, 1, "pending", at(5), "503", None)])
    assert await ids(store, 4) == ""
    (again,) = await take(store, 5)
    assert (again.note, again.due, again.settled) == ("503", at(5), None)
    await store.settle([Settlement(out.key, 2, "delivered", at(5), "200", at(6))])
    done = await only(store)
    assert (done.state, done.note, done.settled) == ("delivered", "200", at(6))


async def test_an_outcome_with_another_attempt_number_is_ignored(store: Store) -> None:
    await fill(store, delivery())
    (old,) = await take(store)
    (new,) = await take(store, 60)
    await store.settle([settlement(old, "dead")])
    assert await only(store) == new
    assert await ids(store, 61) == ""  # and the new lease goes on


async def test_an_outcome_of_an_unknown_delivery_is_ignored(store: Store) -> None:
    assert list(await store.settle([settlement(delivery())])) == []


async def test_what_was_buried_while_out_does_not_wait_again_but_may_have_arrived(
    store: Store,
) -> None:
    await fill(store, delivery())
    (out,) = await take(store)
    await give_up(store)
    await store.settle([settlement(out, "pending", seconds=2)])
    assert (await only(store)).state == "dead"
    await store.settle([settlement(out, "delivered", seconds=3)])
    assert (await only(store)).state == "delivered"


async def test_together_those_of_one_conversation_come_out_in_order(store: Store) -> None:
    await fill(store, of("1", "c1"), of("2", "c1"), of("3", "c2"), of("4", "c1"))
    taken = await store.claim("team", at(0), lease=LEASE, limit=9, together=True)
    assert [one.id for one in taken] == ["1", "2", "3", "4"]
    assert await store.claim("team", at(0), lease=LEASE, limit=9, together=True) == []


async def test_together_nothing_passes_one_that_waits_for_its_next_attempt(store: Store) -> None:
    await fill(store, of("1", "c1", due=30), of("2", "c1"), of("3", "c2"))
    taken = await store.claim("team", at(0), lease=LEASE, limit=9, together=True)
    assert [one.id for one in taken] == ["3"]


async def test_an_untried_claim_is_not_counted(store: Store) -> None:
    await fill(store, of("1", "c1"))
    (out,) = await store.claim("team", at(0), lease=LEASE, limit=9)
    back = replace(settlement(out, "pending", seconds=0), untried=True, due=at(0))
    await store.settle([back])
    assert (await only(store)).attempt == 0
    (again,) = await store.claim("team", at(5), lease=LEASE, limit=9)
    assert again.attempt == 1


async def test_next_due_looks_at_what_is_pending_whoever_has_claimed_it(store: Store) -> None:
    await fill(store, of("2", "c1", due=20), of("1", "c1", due=30), of("3", "c2", due=-9))
    assert await store.next_due("team") == at(-9)
    (out,) = await take(store)
    assert await store.next_due("team") == at(-9)
    await store.settle([settlement(out)])
    assert await store.next_due("team") == at(20)
    assert await store.next_due("team", after=at(19)) == at(20)
    assert await store.next_due("team", after=at(20)) == at(30)
    assert await store.next_due("crm") is None


async def test_sent_since_counts_a_digest_once_and_only_what_went_out(store: Store) -> None:
    for number in range(6):
        await fill(store, of(str(number), f"c{number}"))
    await fill(store, delivery(event("crm"), receiver="crm"))
    (crm,) = await store.claim("crm", T0, lease=LEASE, limit=1)
    out = await take(store)
    times = [5, 9, 9, 9, 7]
    await store.settle([settlement(crm, seconds=8)])
    await store.settle(
        [
            settlement(one, seconds=s, message="digest" if s == 9 else "")
            for one, s in zip(out, times, strict=False)
        ]
    )
    await store.settle([settlement(out[-1], "dead", seconds=8)])
    assert list(await store.sent_since("team", T0)) == [at(5), at(7), at(9)]
    assert list(await store.sent_since("team", at(7))) == [at(7), at(9)]
    assert list(await store.sent_since("team", at(7.000001))) == [at(9)]


async def test_retry_makes_dead_ones_due_now_as_if_never_tried(store: Store) -> None:
    await fill(store, of("1", "c1"), of("2", "c2"), of("3", "c3"))
    out = await take(store)
    await store.settle([settlement(one, "dead") for one in out[:2]])
    await store.settle([settlement(out[2])])
    assert await store.retry(["1", "3", "never"], at(500)) == 1
    (again,) = await store.deliveries(DeliveryQuery(id="1"))
    assert (again.state, again.attempt, again.due, again.settled) == ("pending", 0, at(500), None)
    assert again.note == "it is dead"  # why it was given up can still be read
    assert await ids(store, 500) == "1"
    assert await store.retry([], at(600)) == 0


async def test_retry_by_name_ends_the_wait_for_the_next_attempt_and_counts_on(
    store: Store,
) -> None:
    await fill(store, of("failed", "c1"), of("out", "c2"), of("waits", "c3", due=9000))
    assert await fail(store) == "failed out"
    assert await ids(store, 60, limit=1) == "failed"
    await store.settle(
        [
            settlement(
                (await store.deliveries(DeliveryQuery(id="failed")))[0], "pending", seconds=900
            )
        ]
    )
    assert await ids(store, 60) == "out"
    assert await store.retry(None, at(61)) == 0, "all means all that are dead"
    assert await store.retry(["failed", "out", "waits"], at(61)) == 1
    assert await ids(store, 61) == "failed"
    (again,) = await store.deliveries(DeliveryQuery(id="failed"))
    assert again.attempt == 3
    told = await store.history([again.key])
    assert [(line.kind, line.at) for line in told] == [("retried", at(61))]


async def test_retry_of_all_takes_every_dead_one(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(receiver="crm"), delivery(receiver="ops")))
    await give_up(store, "team", "crm")
    assert await store.retry(None, at(2)) == 2
    assert await store.pending() == {"team": 1, "crm": 1, "ops": 1}


async def test_retry_by_id_reaches_every_receiver_of_the_message(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(receiver="crm")))
    await give_up(store)
    assert await store.retry(["e1"], at(2)) == 2


async def test_retry_by_key_reaches_one_receiver(store: Store) -> None:
    await store.commit(commit(delivery(), delivery(receiver="crm")))
    await give_up(store)
    assert await store.retry(["e1/team"], at(2)) == 1


async def test_what_belongs_to_no_rule_any_more_is_cancelled(store: Store) -> None:
    await store.commit(
        commit(
            delivery(),
            delivery(receiver="crm"),
            delivery(receiver="ops", rule="Removed"),
            delivery(timer="Kept", receiver="ops"),
            delivery(timer="Removed", receiver="ops"),
        )
    )
    assert await store.retire_unconfigured(["team", "ops"], ["Rule", "Kept"], ["sales"], at(5)) == 1
    found = {d.key: (d.state, d.settled) for d in await store.deliveries(DeliveryQuery())}
    assert found == {
        "e1/team": ("pending", None),
        "e1/crm": ("pending", None),  # given up by the dispatcher's side, with an event
        "e1/ops": ("pending", None),  # immediate: what is owed outlives its rule
        "e1.Kept/ops": ("pending", None),
        "e1.Removed/ops": ("cancelled", at(5)),
    }
    notes = {d.note for d in await store.deliveries(DeliveryQuery()) if d.state != "pending"}
    assert notes == {"the rule is no longer configured"}
    assert await store.retire_unconfigured(["team", "ops"], ["Rule", "Kept"], ["sales"], at(6)) == 0


async def test_retiring_leaves_what_is_settled_as_it_is(store: Store) -> None:
    await fill(store, delivery())
    (out,) = await take(store)
    await store.settle([settlement(out)])
    assert await store.retire_unconfigured([], [], ["sales"], at(5)) == 0
    assert (await only(store)).state == "delivered"


async def test_which_addresses_a_delivery_has_reached_is_kept_until_it_is_done(
    store: Store,
) -> None:
    await fill(store, delivery())
    (first,) = await take(store)
    assert first.reached == ()
    half = replace(settlement(first, "pending"), reached=("aa", "bb"))
    await store.settle([half])
    (second,) = await take(store, 100)
    assert second.reached == ("aa", "bb")
    await store.settle([replace(settlement(second, "pending", seconds=100), untried=True)])
    assert (await only(store)).reached == ("aa", "bb")
    (third,) = await take(store, 200)
    await store.settle([settlement(third, "dead", seconds=200)])
    await store.retry([third.id], now=at(300))
    assert (await take(store, 300))[0].reached == ("aa", "bb")
