"""Every store: deliveries that wait for a rule's `for` start once, end and are cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from tests.support.make import LEASE, T0, at, commit, delivery, event, settlement, snapshot
from watcher.model import Delivery
from watcher.records import Commit, DeliveryQuery, End, Settlement
from watcher.store import Store


async def states(store: Store) -> Mapping[str, str]:
    """Return the state of every delivery by key."""
    return {owed.key: owed.state for owed in await store.deliveries(DeliveryQuery())}


def timer(
    name: str = "e1",
    rule: str = "Slow",
    *,
    subject: str | None = "c1",
    source: str = "sales",
    receiver: str = "team",
    due: float | None = None,
) -> Delivery:
    """Make a timer of an event."""
    of = event(name, subject=subject, source=source)
    return delivery(of, timer=rule, receiver=receiver, due=due)


async def start(store: Store, *timers: Delivery) -> None:
    """Commit these timers one after the other."""
    for owed in timers:
        await store.commit(commit(owed))


async def end(store: Store, subject: str | None = "c1", *, rule: str | None = None) -> None:
    """Commit an observed end, seen 30 seconds after T0."""
    seen = event("end", seconds=30, type="conversation.read", subject=subject)
    ends = (End("sales", subject, rule, "it was read"),)
    await store.commit(Commit("sales", events=(seen,), ends=ends))


async def test_later_events_do_not_restart_a_timer(store: Store) -> None:
    await start(store, timer("1"), timer("2"))
    assert await states(store) == {"1.Slow/team": "pending"}


async def test_two_timers_of_a_rule_in_one_commit_are_one(store: Store) -> None:
    await store.commit(commit(timer("1"), timer("2")))
    assert await states(store) == {"1.Slow/team": "pending"}


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
async def test_a_timer_that_has_fired_still_keeps_others_away_until_the_state_ends(
    store: Store, state: str
) -> None:
    await start(store, timer("1"))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out, state)])
    await start(store, timer("2"))
    assert await states(store) == {"1.Slow/team": state}
    await end(store)
    await start(store, timer("3"))
    assert await states(store) == {"1.Slow/team": state, "3.Slow/team": "pending"}


async def test_timers_differ_by_rule_receiver_source_and_conversation(store: Store) -> None:
    different = (
        timer("1"),
        timer("2", "Slower"),
        timer("3", receiver="crm"),
        timer("4", source="leads"),
        timer("5", subject="c2"),
        timer("6", subject=None),
    )
    await start(store, *different)
    assert await store.pending() == {"team": 5, "crm": 1}


async def test_timers_of_one_rule_about_different_states_run_side_by_side(store: Store) -> None:
    unread, assigned = (
        delivery(event(kind, type=f"conversation.{kind}"), timer="Slow")
        for kind in ("unread", "assigned")
    )
    await start(store, unread, assigned)
    await store.commit(
        Commit(
            "sales",
            events=(event("read", seconds=30, type="conversation.read"),),
            ends=(End("sales", "c1", "Slow", "it was read", frozenset({"conversation.unread"})),),
        )
    )
    assert await states(store) == {
        "unread.Slow/team": "cancelled",
        "assigned.Slow/team": "pending",
    }


async def test_an_immediate_delivery_is_kept_away_by_no_timer(store: Store) -> None:
    await start(store, timer("1"), delivery(event("2"), rule="Slow"))
    assert await states(store) == {"1.Slow/team": "pending", "2/team": "pending"}


async def test_an_end_cancels_what_still_waits_and_says_when_and_why(store: Store) -> None:
    await start(store, timer("1"), delivery(event("2")))
    await end(store)
    timed, immediate = await store.deliveries(DeliveryQuery())
    assert (timed.state, timed.note, timed.settled) == ("cancelled", "it was read", at(30))
    assert immediate.state == "pending"


async def test_without_an_event_an_end_is_dated_by_what_was_observed(store: Store) -> None:
    await start(store, timer("1"))
    seen = (snapshot(observed=at(12)),)
    await store.commit(Commit("sales", snapshots=seen, ends=(End("sales", "c1"),)))
    assert [owed.settled for owed in await store.deliveries(DeliveryQuery())] == [at(12)]


async def test_a_commit_that_tells_no_time_leaves_the_end_undated(store: Store) -> None:
    await start(store, timer("1"))
    await store.commit(Commit("sales", ends=(End("sales", "c1"),)))
    (owed,) = await store.deliveries(DeliveryQuery())
    assert (owed.state, owed.settled) == ("cancelled", None)


async def test_an_end_of_one_rule_spares_the_others(store: Store) -> None:
    await start(store, timer("1", "Slow"), timer("2", "Slower"))
    await end(store, rule="Slow")
    assert await states(store) == {"1.Slow/team": "cancelled", "2.Slower/team": "pending"}


async def test_an_end_concerns_its_conversation_of_its_source_only(store: Store) -> None:
    await start(store, timer("1"), timer("2", subject="c2"), timer("3", source="leads"))
    await start(store, timer("4", subject=None))
    await end(store)
    assert list((await states(store)).values()) == ["cancelled", "pending", "pending", "pending"]


async def test_an_end_without_subject_is_about_the_source_itself(store: Store) -> None:
    await start(store, timer("1"), timer("2", subject=None))
    await end(store, None)
    assert await states(store) == {"1.Slow/team": "pending", "2.Slow/team": "cancelled"}


async def test_an_end_reaches_every_receiver(store: Store) -> None:
    await store.commit(commit(timer(receiver="team"), timer(receiver="crm")))
    await end(store)
    assert await store.pending() == {}


async def test_ends_apply_before_the_deliveries_of_the_same_commit(store: Store) -> None:
    await start(store, timer("1"))
    await store.commit(commit(timer("2"), ends=(End("sales", "c1"),)))
    assert await states(store) == {"1.Slow/team": "cancelled", "2.Slow/team": "pending"}


async def test_an_end_where_nothing_waits_changes_nothing(store: Store) -> None:
    await end(store)
    await start(store, timer("1"))
    assert await states(store) == {"1.Slow/team": "pending"}


async def test_an_end_cancels_what_is_out_and_a_failure_does_not_revive_it(store: Store) -> None:
    await start(store, timer("1"))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await end(store)
    await store.settle([settlement(out, "pending")])
    assert await states(store) == {"1.Slow/team": "cancelled"}
    await store.settle([settlement(out, "delivered")])
    assert await states(store) == {"1.Slow/team": "delivered"}


async def test_an_end_may_follow_from_a_settlement(store: Store) -> None:
    await start(store, timer("1"))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    over = Commit("sales", ends=(End("sales", "c1", "Slow", "over"),))
    cancelled = Settlement(out.key, out.attempt, "cancelled", out.due, "no longer so", at(1))
    await store.settle([cancelled], commit=over)
    (owed,) = await store.deliveries(DeliveryQuery())
    assert owed.note == "no longer so"
    await start(store, timer("2"))
    assert await store.pending() == {"team": 1}


async def test_another_account_cancels_the_timers_of_the_source(store: Store) -> None:
    await start(
        store,
        timer("1"),
        timer("2", subject=None),
        timer("3", source="leads"),
        delivery(event("4")),
    )
    await store.commit(Commit("sales", forget=True, snapshots=(snapshot(observed=at(3)),)))
    assert await states(store) == {
        "1.Slow/team": "cancelled",
        "2.Slow/team": "cancelled",
        "3.Slow/team": "pending",
        "4/team": "pending",
    }
    cancelled = await store.deliveries(DeliveryQuery(state="cancelled"))
    assert {owed.note for owed in cancelled} == {"the source points to another account"}
    await start(store, timer("5"))
    assert (await states(store))["5.Slow/team"] == "pending"


async def test_a_source_whose_name_begins_alike_is_another_source(store: Store) -> None:
    await start(store, timer("1", source="sales-2"))
    await store.commit(Commit("sales", forget=True))
    assert await states(store) == {"1.Slow/team": "pending"}


async def test_the_timers_of_a_removed_rule_or_receiver_have_ended(store: Store) -> None:
    await start(store, timer("1"), timer("2", "Other", receiver="crm"))
    (buried,) = await store.deliveries(DeliveryQuery(receiver="crm"))
    await store.settle([settlement(buried, "dead")])
    assert await store.retire_unconfigured(["team"], ["Other"], ["sales"], at(1)) == 1
    assert await states(store) == {"1.Slow/team": "cancelled", "2.Other/crm": "dead"}
    await start(store, timer("3"), timer("4", "Other", receiver="crm"))
    assert await store.pending() == {"team": 1, "crm": 1}


async def test_a_fired_timer_of_a_removed_rule_has_ended_but_stays_as_it_is(store: Store) -> None:
    await start(store, timer("1"))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    await store.settle([settlement(out)])
    assert await store.retire_unconfigured(["team"], [], ["sales"], at(1)) == 0
    assert await states(store) == {"1.Slow/team": "delivered"}
    await start(store, timer("2"))
    assert (await states(store))["2.Slow/team"] == "pending"


async def test_the_timers_of_a_removed_source_have_ended_visibly(store: Store) -> None:
    await start(store, timer("1"), timer("2", source="sales-2"), timer("3", "Other"))
    immediate = delivery(event("4"))
    await store.commit(commit(immediate))
    assert await store.retire_unconfigured(["team"], ["Slow"], ["sales-2"], at(1)) == 2
    found = {owed.key: (owed.state, owed.note) for owed in await store.deliveries(DeliveryQuery())}
    assert found == {
        "1.Slow/team": ("cancelled", "the source is no longer configured"),
        "2.Slow/team": ("pending", ""),
        "3.Other/team": ("cancelled", "the rule is no longer configured"),
        "4/team": ("pending", ""),  # what is owed outlives its source
    }
    await start(store, timer("5"))
    assert (await states(store))["5.Slow/team"] == "pending"


async def test_what_waits_moves_along_with_the_clock(store: Store) -> None:
    await store.commit(
        commit(
            delivery(event("e1"), due=10),
            delivery(event("e2", subject="c2"), due=100),
            delivery(event("e3", subject="c3"), due=0),
        )
    )
    (claimed,) = await store.claim("team", at(5), lease=LEASE, limit=1)
    await store.shift_clock(timedelta(seconds=-50), at(5))
    found = {one.event.id: one.due for one in await store.deliveries(DeliveryQuery())}
    assert found == {"e1": at(-40), "e2": at(50), "e3": at(0)}
    # Its lease moved too: from 65 seconds after the start to 15.
    again = [one.key for one in await store.claim("team", at(14), lease=LEASE, limit=9)]
    assert claimed.key not in again
    again = [one.key for one in await store.claim("team", at(16), lease=LEASE, limit=9)]
    assert claimed.key in again
