"""What ends while a transaction is under way is recorded by the next one, all of it together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest
import structlog

from tests.support.make import LEASE, at, commit, delivery, event
from watcher.dispatcher import Dispatcher
from watcher.dispatcher.claims import AHEAD
from watcher.dispatcher.outcomes import OutcomeRecorder
from watcher.errors import StoreError
from watcher.model import Delivery, Result
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import Policy
from watcher.records import DeliveryQuery, EventQuery, Recorded, Settlement
from watcher.runtime import Runtime
from watcher.store.memory import MemoryStore

OK = Result("ok", "HTTP 200")


class SlowStore(MemoryStore):
    """Writes when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = anyio.Event()
        self.written: list[list[str]] = []
        self.failing = 0

    async def settle(self, settlements: Sequence[Settlement], **more: Any) -> Sequence[Recorded]:
        await self.go.wait()
        if self.failing:
            self.failing -= 1
            raise StoreError("the disk is gone")
        self.written.append([one.key.partition("/")[0] for one in settlements])
        return await super().settle(settlements, **more)


class _Notifier:
    text = False

    async def send(self, _notice: Any) -> Result:
        raise AssertionError

    async def close(self) -> None: ...


class Recording:
    """The outcomes of one receiver, with some deliveries under way."""

    def __init__(self, retries: int = 3) -> None:
        self.store = SlowStore()
        policy = Policy((timedelta(seconds=5),) * retries)
        self.plan = ReceiverPlan("team", _Notifier(), policy, "there")
        runtime = Runtime(store=self.store, clock=lambda: at(1))
        self.outcomes = OutcomeRecorder(self.plan, runtime, structlog.get_logger(), lambda: None)
        self.failures: list[str] = []

    async def claimed(self, number: int) -> Sequence[Delivery]:
        owed = (delivery(event(f"e{one}", subject=f"c{one}")) for one in range(number))
        await self.store.commit(commit(*owed))
        await self.outcomes.open()
        return await self.store.claim("team", at(1), lease=LEASE, limit=number)

    async def end(self, one: Delivery, result: Result) -> None:
        try:
            await self.outcomes.settle([one], one.id, result)
        except StoreError as error:
            self.failures.append(f"{one.id}: {error.reason}")

    async def states(self) -> dict[str, str]:
        return {one.id: one.state for one in await self.store.deliveries(DeliveryQuery())}


async def test_of_eight_that_end_one_after_the_other_seven_share_a_transaction() -> None:
    recording = Recording()
    async with anyio.create_task_group() as tasks:
        for one in await recording.claimed(8):
            tasks.start_soon(recording.end, one, OK)
            await anyio.wait_all_tasks_blocked()
        recording.store.go.set()
    assert recording.store.written == [["e0"], [f"e{number}" for number in range(1, 8)]]
    assert set((await recording.states()).values()) == {"delivered"}


async def test_what_they_say_of_the_receiver_is_counted_in_their_order() -> None:
    recording = Recording()
    failed = Result("failed", "HTTP 500")
    results = [OK, failed, failed, failed, failed, failed, OK, failed]
    async with anyio.create_task_group() as tasks:
        for one, result in zip(await recording.claimed(8), results, strict=True):
            tasks.start_soon(recording.end, one, result)
        await anyio.wait_all_tasks_blocked()
        recording.store.go.set()
    assert recording.outcomes.state.failures == 1, "the seventh was taken"
    assert (await recording.store.receivers())["team"] == recording.outcomes.state
    assert recording.outcomes.tally == {"delivered": 2, "retry": 6}


async def test_each_that_dies_in_a_shared_transaction_is_told_of() -> None:
    recording = Recording()
    results = [OK, Result("rejected", "no"), OK, Result("rejected", "never")]
    async with anyio.create_task_group() as tasks:
        for one, result in zip(await recording.claimed(4), results, strict=True):
            tasks.start_soon(recording.end, one, result)
        await anyio.wait_all_tasks_blocked()
        recording.store.go.set()
    told = await recording.store.events(EventQuery(types=("delivery.dead",)))
    assert [one.event.data["event"]["id"] for one in told] == ["e1", "e3"]
    assert [one.event.data["reason"] for one in told] == ["no", "never"]
    assert len(recording.store.written) == 2


@pytest.mark.parametrize("failing", [1, 2, 4])
async def test_where_the_store_fails_each_asks_for_itself(failing: int) -> None:
    recording = Recording()
    recording.store.failing = failing
    async with anyio.create_task_group() as tasks:
        for one in await recording.claimed(4):
            tasks.start_soon(recording.end, one, OK)
        await anyio.wait_all_tasks_blocked()
        recording.store.go.set()
    assert recording.failures == [f"e{number}: the disk is gone" for number in range(failing)]
    states = await recording.states()
    assert [states[f"e{number}"] for number in range(4)] == (
        ["pending"] * failing + ["delivered"] * (4 - failing)
    )


async def test_who_is_cancelled_takes_no_others_with_it() -> None:
    recording = Recording()
    first, *others = await recording.claimed(4)
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as cut:
                cut.start_soon(recording.end, first, OK)
                await anyio.wait_all_tasks_blocked()
                for one in others:
                    tasks.start_soon(recording.end, one, OK)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        recording.store.go.set()
    states = await recording.states()
    assert [states[f"e{number}"] for number in range(4)] == ["pending", *["delivered"] * 3]


async def test_what_was_handed_over_is_recorded_while_others_go_on() -> None:
    recording = Recording()
    claimed = await recording.claimed(4)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recording.outcomes.run)
        assert all(recording.outcomes.hand_over([one], one.id, OK) for one in claimed)
        await anyio.wait_all_tasks_blocked()
        assert recording.outcomes.owed == 4
        recording.store.go.set()
        await anyio.wait_all_tasks_blocked()
        assert recording.outcomes.owed == 0
        tasks.cancel_scope.cancel()
    assert recording.store.written == [["e0", "e1", "e2", "e3"]]


@pytest.mark.parametrize("result", [Result("failed"), Result("refused"), Result("unknown")])
async def test_only_what_was_taken_is_handed_over(result: Result) -> None:
    recording = Recording()
    (one,) = await recording.claimed(1)
    assert not recording.outcomes.hand_over([one], one.id, result)


async def test_a_receiver_that_fails_is_waited_for() -> None:
    recording = Recording()
    recording.store.go.set()
    first, second = await recording.claimed(2)
    await recording.end(first, Result("failed", "HTTP 500"))
    assert not recording.outcomes.hand_over([second], second.id, OK)


class Sent(_Notifier):
    """Takes everything."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._awaited, self._enough = 0, anyio.Event()

    async def send(self, notice: Any) -> Result:
        self.ids.append(notice.event.id)
        if len(self.ids) == self._awaited:
            self._enough.set()
        return OK

    async def until(self, number: int) -> None:
        """Wait until so many were sent."""
        self._awaited, self._enough = number, anyio.Event()
        if len(self.ids) < number:
            await self._enough.wait()


async def owing(conversations: int, each: int) -> tuple[SlowStore, Sent, Dispatcher]:
    """Return a store that owes, what is sent, and the dispatcher."""
    store, sent = SlowStore(), Sent()
    owed = [
        delivery(event(f"c{about}.{number}", subject=f"c{about}"))
        for number in range(each)
        for about in range(conversations)
    ]
    await store.commit(commit(*owed))
    plan = ReceiverPlan("team", sent, Policy((timedelta(seconds=5),)), "there", slots=4)
    return store, sent, Dispatcher(plan, Runtime(store=store, clock=lambda: at(1)))


async def test_while_nothing_can_be_recorded_only_so_much_is_sent_and_nothing_out_of_order() -> (
    None
):
    store, sent, dispatcher = await owing(conversations=100, each=3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatcher.run)
        store.go.set()
        await sent.until(24)  # a backlog is known by now
        store.go = anyio.Event()
        await anyio.wait_all_tasks_blocked()
        recorded = {key for group in store.written for key in group}
        out = [one for one in sent.ids if one not in recorded]
        assert 4 < len(out) <= 4 + 4 * AHEAD
        subjects = [one.partition(".")[0] for one in out]
        assert len(set(subjects)) == len(subjects), "one of a conversation at a time"
        store.go.set()
        await sent.until(300)
        await dispatcher.stop()
        assert {one.state for one in await store.deliveries(DeliveryQuery())} == {"delivered"}
        tasks.cancel_scope.cancel()
    assert len(set(sent.ids)) == len(sent.ids) == 300
    for about in range(100):
        mine = [one for one in sent.ids if one.startswith(f"c{about}.")]
        assert mine == [f"c{about}.{number}" for number in range(3)]


async def test_a_stop_waits_until_what_was_taken_is_recorded() -> None:
    store, sent, dispatcher = await owing(conversations=60, each=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatcher.run)
        store.go.set()
        await sent.until(24)
        store.go = anyio.Event()
        await anyio.wait_all_tasks_blocked()
        stopped = anyio.Event()

        async def stop() -> None:
            await dispatcher.stop()
            stopped.set()

        tasks.start_soon(stop)
        await anyio.wait_all_tasks_blocked()
        assert not stopped.is_set()
        store.go.set()
        await stopped.wait()
        tasks.cancel_scope.cancel()
    recorded = {key for group in store.written for key in group}
    assert set(sent.ids) <= recorded
