"""What is claimed ahead of a backlog: as if it had been claimed when its slot was free."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.support.make import LEASE, at, commit, delivery, event, settlement
from watcher.dispatcher import Dispatcher
from watcher.dispatcher.claims import Claimer
from watcher.model import Result
from watcher.notify import Notice
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import Policy
from watcher.records import DeliveryQuery, ReceiverState
from watcher.rules import Silence
from watcher.runtime import Runtime
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

SLOTS = 4


class Notifier:
    """Is never asked."""

    text = False

    async def send(self, notice: Notice) -> Result:
        raise AssertionError(notice)

    async def close(self) -> None:
        """Close nothing."""


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "db")
    await store.commit(
        commit(*(delivery(event(f"e{number}", subject=f"c{number}")) for number in range(30)))
    )
    yield store
    await store.close()


class Claiming:
    """A claimer for one receiver, with what it depends on."""

    def __init__(self, store: Store, limit: tuple[int, timedelta] | None = None) -> None:
        self.store = store
        self.silences: tuple[Silence, ...] = ()
        self.now = at(1)
        policy = Policy((timedelta(seconds=5),), limit)
        plan = ReceiverPlan("team", Notifier(), policy, "", SLOTS)
        runtime = Runtime(store=store, clock=lambda: self.now, silences=lambda: self.silences)
        self.claimer = Claimer(plan, runtime, _Log())
        self.state = ReceiverState("team")

    async def take(self, busy: int = 0) -> list[str]:
        rounds = await self.claimer.rounds(self.state, busy)
        return [one.id for round_ in rounds for message in round_ for one in message]

    async def claimed(self) -> set[str]:
        """Return what is out of the outbox."""
        waiting = await self.store.deliveries(DeliveryQuery(state="pending"))
        return {one.id for one in waiting if one.attempt}


class _Log:
    def info(self, *_args: object, **_more: object) -> None:
        """Log nothing."""


async def test_of_a_backlog_one_claim_serves_several_slots_in_the_order_of_due_times(
    store: Store,
) -> None:
    claiming = Claiming(store)
    assert await claiming.take() == ["e0", "e1", "e2", "e3"]
    assert await claiming.claimed() == {"e0", "e1", "e2", "e3"}, "no backlog is known yet"
    assert await claiming.take(busy=3) == ["e4"]
    assert len(await claiming.claimed()) == 4 + 16
    taken = [await claiming.take(busy=3) for _ in range(4)]
    assert taken == [["e5"], ["e6"], ["e7"], ["e8"]]
    assert len(await claiming.claimed()) == 4 + 16


async def test_a_conversation_with_a_backlog_goes_out_in_runs(store: Store) -> None:
    claiming = Claiming(store)
    await store.settle(
        [settlement(one) for one in await store.claim("team", at(1), lease=LEASE, limit=99)]
    )
    await store.commit(commit(*(delivery(event(f"r{number}")) for number in range(40))))
    taken = []
    for _ in range(4):
        taken.append(await claiming.take())
        done = await store.deliveries(DeliveryQuery(state="pending"))
        await store.settle([settlement(one) for one in done if one.attempt])
    assert [len(run) for run in taken] == [4, 16, 16, 4], "no more than free slots at first"
    assert [one for run in taken for one in run] == [f"r{number}" for number in range(40)]


@pytest.mark.parametrize("changed", [{"off": "410"}, {"paused": at(60)}])
async def test_a_receiver_that_takes_nothing_holds_nothing(
    store: Store, changed: dict[str, object]
) -> None:
    claiming = Claiming(store)
    await claiming.take()
    await claiming.take(busy=3)
    claiming.state = ReceiverState("team", **changed)  # type: ignore[arg-type]
    assert await claiming.take(busy=3) == []
    assert await claiming.claimed() == {"e0", "e1", "e2", "e3", "e4"}


async def test_a_silence_that_was_added_meanwhile_counts(store: Store) -> None:
    claiming = Claiming(store)
    await claiming.take()
    await claiming.take(busy=3)
    silence = {"name": "noise", "match": "true", "reason": "noise"}
    claiming.silences = (Silence.model_validate(silence),)
    assert await claiming.take(busy=3) == []
    assert await store.pending() == {"team": 5}


async def test_below_a_limit_a_backlog_goes_out_as_digests_spread_over_the_window(
    store: Store,
) -> None:
    for part in range(4):
        more = (delivery(event(f"b{part}-{number}")) for number in range(400))
        await store.commit(commit(*more))
    claiming = Claiming(store, (30, timedelta(minutes=1)))

    async def deliver() -> list[int]:
        sizes = []
        for message in await claiming.claimer.rounds(claiming.state, 0):
            for each in message:
                sizes.append(len(each))
                seconds = (claiming.now - at(0)).total_seconds()
                await store.settle(
                    [settlement(one, seconds=seconds, message=f"m{seconds}") for one in each]
                )
        return sizes

    assert await deliver() == [500]
    assert await deliver() == [], "the next one is two seconds later"
    assert await claiming.claimer.due(claiming.state, 0) == at(3)
    claiming.now = at(3)
    assert await deliver() == [500]
    claiming.now = at(5)
    assert await deliver() == [500]
    claiming.now = at(7)
    # What is left is no backlog: singles, and the rest as one digest.
    assert await deliver() == [*[1] * 26, 104]


async def test_a_dispatcher_that_stops_begins_no_other_attempt_of_a_run(store: Store) -> None:
    await store.settle(
        [settlement(one) for one in await store.claim("team", at(1), lease=LEASE, limit=99)]
    )
    await store.commit(commit(*(delivery(event(f"r{number}")) for number in range(40))))
    sent: list[str] = []

    class Slow(Notifier):
        async def send(self, notice: Notice) -> Result:
            sent.append(notice.event.id)
            await anyio.sleep(0.01)
            return Result("ok", "HTTP 200")

    plan = ReceiverPlan("team", Slow(), Policy((timedelta(seconds=5),)), "", SLOTS)
    dispatcher = Dispatcher(plan, Runtime(store=store, clock=lambda: at(1)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatcher.run)
        with anyio.fail_after(10):
            while len(sent) < 6:  # noqa: ASYNC110 - in the middle of a run
                await anyio.sleep(0.001)
        await dispatcher.stop()
        begun = len(sent)
        tasks.cancel_scope.cancel()
    assert begun <= 7
    waiting = await store.deliveries(DeliveryQuery(state="pending"))
    assert {one.attempt for one in waiting} == {0}
    assert len(waiting) == 40 - begun


async def test_a_slot_whose_round_is_over_goes_on_with_what_was_claimed_ahead(store: Store) -> None:
    claiming = Claiming(store)
    await claiming.take()
    await claiming.take(busy=3)
    for expected in (*[[f"e{number}"] for number in range(5, 20)], []):
        round_ = await claiming.claimer.next_round(claiming.state, out=4)
        assert [one.id for message in round_ for one in message] == expected
    assert await claiming.claimed() == {f"e{number}" for number in range(20)}


@pytest.mark.parametrize("changed", [{"off": "410"}, {"paused": at(60)}])
async def test_a_slot_goes_on_with_nothing_while_the_receiver_takes_nothing(
    store: Store, changed: dict[str, object]
) -> None:
    claiming = Claiming(store)
    await claiming.take()
    await claiming.take(busy=3)
    stopped = ReceiverState("team", **changed)  # type: ignore[arg-type]
    assert await claiming.claimer.next_round(stopped, out=4) == []
    assert await claiming.claimer.next_round(claiming.state, out=4) != []


async def test_what_was_claimed_ahead_is_not_claimed_again_however_long_it_takes(
    store: Store,
) -> None:
    claiming = Claiming(store)
    await claiming.take()
    await claiming.take(busy=3)
    sent = ["e0", "e1", "e2", "e3", "e4"]
    for _ in range(15):
        claiming.now += claiming.claimer._plan.lease * 2 / 3
        round_ = await claiming.claimer.next_round(claiming.state, out=4)
        sent += [one.id for message in round_ for one in message]
        others = await store.claim("team", claiming.now, lease=LEASE, limit=99)
        assert not set(sent).intersection(one.id for one in others)
        await store.settle([settlement(one, "pending", untried=True) for one in others])
    assert sent == [f"e{number}" for number in range(20)]


async def test_what_follows_in_a_conversation_is_claimed_with_what_is_first(store: Store) -> None:
    """What one change comes to (a message, unread, waiting) costs one claim, and goes out in its order."""
    claiming = Claiming(store)
    claiming.now = at(0)
    await store.settle(
        [settlement(one) for one in await store.claim("team", at(1), lease=LEASE, limit=99)]
    )
    for about in ("a", "b"):
        events = [event(f"{about}{number}", subject=about) for number in range(2)]
        await store.commit(commit(*map(delivery, events)))
    rounds = await claiming.claimer.rounds(claiming.state, 0)
    sent = [[one.id for message in round_ for one in message] for round_ in rounds]
    assert sent == [["a0", "a1"], ["b0", "b1"]]
