"""Loops that do not move any more are seen and said; loops that wait on purpose are not."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import httpx  # noqa: TID251 - a client of the daemon's own server
from structlog.testing import capture_logs

from tests.scenarios.harness import Harness
from watcher.daemon.watchdog import Watchdog
from watcher.metrics import Metrics
from watcher.simulator import faults
from watcher.store.retrying import Retrier
from watcher.web import create_app


async def ask(harness: Harness) -> tuple[int, str]:
    """Ask `/healthz` of the running daemon."""
    daemon = harness.daemon
    app = create_app(daemon.freshness, daemon.scrape.text, daemon.store_failing, daemon.stuck)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://watcher.example") as client:
        answer = await client.get("/healthz")
        return answer.status_code, answer.text


async def test_a_poller_that_hangs_is_seen_and_the_others_are_not(harness: Harness) -> None:
    harness.watch("chatwoot", "support", "1", conversations=3)
    harness.watch("highlevel", "sales", "2", conversations=3)
    async with harness.running() as daemon:
        await harness.baseline()
        with capture_logs() as lines:
            async with daemon.pollers["sales"]._lock:  # something holds its lock and never returns
                await anyio.sleep(200)
                assert daemon.stuck() == []
                await anyio.sleep(250)
                (stuck,) = daemon.stuck()
                assert stuck["what"] == "poller sales"
                assert "watcher/poller/source.py" in stuck["where"]
                assert (await daemon.status())["stuck"] == [stuck]
                assert daemon.metrics.registry.get_sample_value("inbox_watcher_stuck_loops") == 1
                status, text = await ask(harness)
                assert status == 503
                assert text.startswith("stuck for ")
                assert text.endswith("poller sales\n")
                await anyio.sleep(3600)
            await anyio.sleep(60)
        assert daemon.stuck() == []
        assert await ask(harness) == (200, "ok\n")
        said = [line for line in lines if "loop" in line["event"]]
        assert [(line["event"], line["what"]) for line in said] == [
            ("a loop is stuck", "poller sales"),
            ("a loop moves again", "poller sales"),
        ]


async def test_a_dispatcher_that_hangs_is_seen(harness: Harness) -> None:
    harness.watch("chatwoot", "support", "1", conversations=3)
    claim = harness.store.claim
    hangs = anyio.Event()

    async def hang(*args: object, **kwargs: object) -> object:
        await hangs.wait()
        return await claim(*args, **kwargs)  # type: ignore[arg-type]

    async with harness.running() as daemon:
        await harness.baseline()
        harness.store.claim = hang  # type: ignore[assignment, method-assign]
        await anyio.sleep(450)
        assert [one["what"] for one in daemon.stuck()] == ["dispatcher crm"]
        hangs.set()
        await anyio.sleep(60)
        assert daemon.stuck() == []


async def test_who_waits_on_purpose_is_not_stuck(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "1h", "6h"
    harness.watch("chatwoot", "support", "1", conversations=3)
    harness.watch("highlevel", "sales", "2", conversations=3)
    with capture_logs() as lines:
        async with harness.running() as daemon:
            await harness.baseline()
            await anyio.sleep(2 * 3600)
            harness.faults["highlevel"].plan(faults.status(429, wait=3000))
            harness.faults["chatwoot"].plan(faults.hang())
            for _ in range(240):
                await anyio.sleep(60)
                assert daemon.stuck() == []
    assert not [line for line in lines if "stuck" in line["event"]]


async def test_a_disk_that_does_not_answer_is_seen() -> None:
    retrier = Retrier()
    watchdog = Watchdog((), retrier, Metrics())
    answers = anyio.Event()

    async def attempt(_: timedelta) -> None:
        await answers.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(retrier.run, attempt)
        await anyio.sleep(50)
        watchdog.look()
        assert watchdog.stuck == []
        await anyio.sleep(50)
        watchdog.look()
        assert [one.what for one in watchdog.stuck] == ["store"]
        answers.set()
    watchdog.look()
    assert watchdog.stuck == []


PROGRAM = """
import re, sys, time, anyio
from watcher import logs
from watcher.daemon.watchdog import LoopWatchdog

def doze(): time.sleep({seconds})
def compute(): re.match("(a|aa)+$", "a" * 60 + "b")   # holds the interpreter's lock

async def main():
    with LoopWatchdog(tick=0.02, silent=5, ended={ended}) as guard:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard.run)
            await anyio.sleep(0.1)
            {hang}()
            await anyio.sleep(0.1)
            tasks.cancel_scope.cancel()
    print("went on")

logs.configure(level="info", form="json")
anyio.run(main)
"""


def run(hang: str, *, seconds: float = 0, ended: int = 50) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(hang=hang, seconds=seconds, ended=ended)
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=root
    )


def test_an_event_loop_that_stands_still_for_a_while_is_said_and_goes_on() -> None:
    done = run("doze", seconds=1, ended=100_000)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "went on\n"
    assert "the event loop does not turn" in done.stderr
    assert "doze" in done.stderr
    assert "the event loop turns again" in done.stderr


def test_an_event_loop_that_is_stuck_ends_the_process_with_its_stacks() -> None:
    done = run("doze", seconds=50)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "the event loop is stuck; the process ends" in done.stderr
    assert "in doze" in done.stderr  # the dump of all threads


def test_code_that_lets_no_other_thread_run_is_ended_too() -> None:
    done = run("compute")
    assert done.returncode < 0
    assert "in compute" in done.stderr
