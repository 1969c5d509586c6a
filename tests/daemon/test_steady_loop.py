"""Time stands still for a loop whose process does: with a clock that is set by hand, on real sockets."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_time import START
from watcher.daemon.clock_jumps import ClockJumpDetector
from watcher.daemon.steady_loop import BUSY, LOOK, STOPPED, SteadyLoop, elapsed
from watcher.store.memory import MemoryStore

Main = Callable[[], Coroutine[Any, Any, Any]]


class Machine(selectors.DefaultSelector):
    """A clock, and a selector that waits by it. What is in `stops` happens in the next wait: so many
    seconds pass, with what the others do meanwhile; like a wait that a signal cuts off, it ends without
    a look.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.stops: list[tuple[float, Callable[[], Any]]] = []

    def clock(self) -> float:
        return self.now

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "a turn never waits for ever"
        if timeout > 0 and self.stops:
            seconds, meanwhile = self.stops.pop(0)
            meanwhile()
            self.now += seconds
            return []
        self.now += 0.000_01
        if ready := super().select(0):
            return ready
        self.now += timeout
        return []


@pytest.fixture
def machine() -> Machine:
    return Machine()


def run(machine: Machine, main: Main) -> Any:
    with asyncio.Runner(loop_factory=lambda: SteadyLoop(machine.clock, machine)) as runner:
        return runner.run(main())


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


async def receive(ours: socket.socket, length: int) -> bytes:
    """Read so many bytes, one with each turn of the loop."""
    read = b""
    while len(read) < length:
        read += await asyncio.get_running_loop().sock_recv(ours, 1)
        await asyncio.sleep(0)
    return read


@pytest.mark.parametrize("left", [9.0, 0.4, 0.001])
def test_an_answer_that_came_meanwhile_is_read_before_its_deadline(
    machine: Machine, left: float
) -> None:
    async def main() -> bytes:
        machine.stops = [(3600.0, lambda: theirs.sendall(b"an answer"))]
        with anyio.fail_after(left):
            return await receive(ours, 9)

    with pair() as (ours, theirs):
        assert run(machine, main) == b"an answer"


def test_without_such_a_loop_the_deadline_comes_first() -> None:
    """The test above can fail: by a clock that goes on, the answer in the socket comes too late."""
    machine = Machine()

    class Usual(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return machine.now

    async def main() -> bytes:
        machine.stops = [(3600.0, lambda: theirs.sendall(b"an answer"))]
        with anyio.fail_after(9.0):
            return await receive(ours, 9)

    with (
        pair() as (ours, theirs),
        asyncio.Runner(loop_factory=lambda: Usual(machine)) as runner,
        pytest.raises(TimeoutError),
    ):
        runner.run(main())


def test_an_answer_that_does_not_come_still_ends_at_its_deadline(machine: Machine) -> None:
    async def main() -> float:
        machine.stops = [(3600.0, lambda: None)]
        began = anyio.current_time()
        with anyio.move_on_after(5.0):
            await receive(ours, 1)
        return anyio.current_time() - began

    with pair() as (ours, _theirs):
        assert run(machine, main) == pytest.approx(5.0, abs=0.02)


def test_what_begins_after_a_stop_has_its_whole_time(machine: Machine) -> None:
    """No jump follows that would end what began meanwhile."""

    async def main() -> float:
        machine.stops = [(3600.0, lambda: theirs.sendall(b"1"))]
        await receive(ours, 1)
        before = machine.now
        with anyio.move_on_after(10.0):
            await receive(ours, 1)
        return machine.now - before

    with pair() as (ours, theirs):
        assert run(machine, main) == pytest.approx(10.0 + LOOK, abs=0.1)


def test_a_worker_that_was_stopped_too_has_a_moment_to_answer(machine: Machine) -> None:
    async def main() -> bytes:
        machine.stops = [
            (3600.0, lambda: None),
            (0.3, lambda: None),
            (0.3, lambda: theirs.send(b"1")),
        ]
        with anyio.fail_after(0.01):
            return await receive(ours, 1)

    with pair() as (ours, theirs):
        assert run(machine, main) == b"1"


def test_a_stop_within_a_callback_counts_no_more_than_a_turn(machine: Machine) -> None:
    async def main() -> bytes:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            with anyio.fail_after(5.0):
                return await receive(ours, 1)

    async def stop() -> None:
        before = anyio.current_time()
        machine.now += 3600.0
        theirs.send(b"1")
        assert anyio.current_time() - before <= STOPPED

    with pair() as (ours, theirs):
        assert run(machine, main) == b"1"


def test_what_is_left_out_has_elapsed_all_the_same(machine: Machine) -> None:
    async def main() -> tuple[float, float]:
        waited, passed = anyio.current_time(), elapsed()
        machine.stops = [(3600.0, lambda: None)]
        await asyncio.sleep(20)
        return anyio.current_time() - waited, elapsed() - passed

    waited, passed = run(machine, main)
    assert waited == pytest.approx(20, abs=0.1)
    assert passed == pytest.approx(3600 + 20 + LOOK, abs=1.2)


def test_a_stop_is_no_clock_that_was_set(machine: Machine) -> None:
    """What waits for a time of day waits for that time, however long the process stood still."""
    ahead = timedelta(0)

    def wall() -> datetime:
        return START + timedelta(seconds=machine.now) + ahead

    async def main() -> None:
        nonlocal ahead
        detector = ClockJumpDetector(MemoryStore(), wall, lambda: ())
        await detector.open()
        machine.stops = [(3600.0, lambda: None)]
        await asyncio.sleep(15)
        assert await detector.look() == timedelta(0)
        assert detector.stood
        await asyncio.sleep(15)
        assert await detector.look() == timedelta(0)
        assert not detector.stood
        ahead = timedelta(hours=1)
        assert await detector.look() == pytest.approx(ahead, abs=timedelta(seconds=1))

    run(machine, main)


def test_another_loop_has_left_out_nothing() -> None:
    async def main() -> float:
        return elapsed() - asyncio.get_running_loop().time()

    assert abs(asyncio.run(main())) < 1


def test_a_loop_that_is_always_slow_is_busy_and_its_timers_run(machine: Machine) -> None:
    async def main() -> float:
        began = machine.now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(compute)
            await asyncio.sleep(30)
            tasks.cancel_scope.cancel()
        return machine.now - began

    async def compute() -> None:
        while True:
            machine.now += 2.0
            await asyncio.sleep(0)

    assert run(machine, main) <= 30 * 2.0 / STOPPED + LOOK + 3 * 2.0


@given(
    st.lists(
        st.tuples(st.sampled_from(["stop", "compute", "wait"]), st.floats(0, 2 * BUSY)), max_size=30
    )
)
def test_time_never_goes_back_and_never_runs_ahead(steps: list[tuple[str, float]]) -> None:
    machine = Machine()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = told = loop.time()
        for what, seconds in steps:
            if what == "stop":
                machine.stops.append((seconds, lambda: None))
            elif what == "compute":
                machine.now += seconds
            else:
                await asyncio.sleep(min(seconds, 3.0))
            await asyncio.sleep(0)
            assert told <= loop.time()
            told = loop.time()
            assert told - began <= machine.now - 1000.0 + STOPPED

    run(machine, main)
