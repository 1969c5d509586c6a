"""What ends while a transaction is under way is recorded by the next one, all of it together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest
import structlog

from tests.support.make import LEASE, at, commit, delivery, event
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
        self.outcomes = OutcomeRecorder(self.plan, runtime, structlog.get_logger())
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
