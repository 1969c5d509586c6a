"""Virtual time jumps over waiting, and never over work."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_time import START, JumpLoop, VirtualClock
from watcher.records import Commit, ReceiverState, SourceState
from watcher.store.sqlite import SqliteStore

SLOW = 0.05
"""Real seconds that a thread works in these tests, so that a loop that does not wait is caught."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": JumpLoop}


def work() -> str:
    """Keep a thread busy for a while: the one real wait that these tests are about."""
    threading.Event().wait(SLOW)
    return "done"


def virtual(main) -> object:
    """Run an async function on a loop of its own."""
    return anyio.run(main, backend_options={"loop_factory": JumpLoop})


@given(st.lists(st.floats(0, 10_000_000), min_size=1, max_size=8))
def test_sleepers_wake_in_the_order_of_their_times_and_exactly_then(delays: list[float]) -> None:
    async def main() -> list[tuple[float, float]]:
        woken: list[tuple[float, float]] = []

        async def sleep(delay: float) -> None:
            await anyio.sleep(delay)
            woken.append((delay, anyio.current_time()))

        async with anyio.create_task_group() as tasks:
            for delay in delays:
                tasks.start_soon(sleep, delay)
        return woken

    woken = virtual(main)
    assert [delay for delay, _ in woken] == sorted(delays)
    assert all(abs(delay - at) < 1e-5 for delay, at in woken)


async def test_an_hour_takes_milliseconds_and_the_clock_follows() -> None:
    clock, began = VirtualClock(), time.monotonic()
    assert clock() == START
    await anyio.sleep(3600)
    assert time.monotonic() - began < 1
    assert clock() - START == timedelta(hours=1)


async def test_a_deadline_in_the_future_fires_when_nothing_else_can_happen() -> None:
    with anyio.move_on_after(30) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert anyio.current_time() == pytest.approx(30)


async def test_a_worker_thread_under_a_deadline_is_waited_for() -> None:
    with anyio.fail_after(30):
        assert await anyio.to_thread.run_sync(work) == "done"
    assert anyio.current_time() == 0


async def test_a_worker_thread_that_was_used_before_counts_again() -> None:
    for _ in range(3):
        with anyio.fail_after(30):
            await anyio.to_thread.run_sync(work)
        await anyio.sleep(60)  # the idle thread holds nothing up
    assert anyio.current_time() == pytest.approx(180)


async def test_an_executor_under_a_deadline_is_waited_for() -> None:
    with anyio.fail_after(30):
        assert await asyncio.get_running_loop().run_in_executor(None, work) == "done"
    assert anyio.current_time() == 0


async def test_time_stands_still_for_sleepers_too_while_a_thread_works() -> None:
    order = []

    async def sleep() -> None:
        await anyio.sleep(1)
        order.append("sleeper")

    async def thread() -> None:
        await anyio.to_thread.run_sync(work)
        order.append("thread")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep)
        tasks.start_soon(thread)
    assert order == ["thread", "sleeper"]


async def test_a_thread_of_the_test_itself_is_announced() -> None:
    loop = asyncio.get_running_loop()
    answered = anyio.Event()
    thread = threading.Thread(target=lambda: (work(), loop.call_soon_threadsafe(answered.set)))
    loop.also_busy(lambda: not answered.is_set())
    thread.start()
    with anyio.fail_after(30):
        await answered.wait()
    thread.join()
    assert anyio.current_time() == 0


async def test_the_sqlite_store_takes_part_and_no_deadline_fires_while_it_works(
    tmp_path: Path,
) -> None:
    with anyio.fail_after(1):
        store = await SqliteStore.open(tmp_path / "watcher.db")
        for number in range(20):
            state = SourceState("sales", "highlevel", f"account {number}")
            await store.commit(Commit("sales", state))
            assert await store.source("sales") == state
    assert anyio.current_time() == 0
    await anyio.sleep(3600)
    with anyio.fail_after(1):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(store.save_receiver, ReceiverState(f"receiver{number}"))
        assert len(await store.receivers()) == 20
        await store.close()
    assert anyio.current_time() == pytest.approx(3600)


async def test_sockets_within_the_process_answer_before_time_jumps() -> None:
    async def echo(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            while True:
                try:
                    await stream.send(await stream.receive())
                except anyio.EndOfStream:
                    return

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, echo)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django
        with anyio.fail_after(30):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                for _ in range(50):
                    await stream.send(b"ping")
                    assert await stream.receive() == b"ping"
        tasks.cancel_scope.cancel()
    assert anyio.current_time() < 30


def test_a_loop_that_waits_for_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.virtual_time._PATIENCE", 0.01)
    loop = JumpLoop()
    try:
        with pytest.raises(RuntimeError, match="deadlock"):
            loop.run_forever()
    finally:
        loop.close()
