"""The worker processes of Apprise, seen from outside: who starts, who ends, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.hanging import measure
from tests.support.loopback import Served, answer, serving

PARENT = Path(__file__).parents[1] / "support" / "apprise_parent.py"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds the workers in /proc"
)


@asynccontextmanager
async def parent(deadline: float, *urls: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a daemon in small, in a process group of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PARENT), str(deadline), *urls,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate(b"")


async def hang(_served: Served, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(_served: Served, writer: asyncio.StreamWriter) -> None:
    """Outlast Apprise's own timeouts, which begin anew with each byte."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.2)


async def slow(_served: Served, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(1.0)
    writer.write(answer())


def json_url(served: Served) -> str:
    return served.url.replace("http:", "json:")


async def result_of(process: asyncio.subprocess.Process) -> dict[str, object]:
    assert process.stdout is not None
    said: dict[str, object] = json.loads(await asyncio.wait_for(process.stdout.readline(), 90))
    return said


def children(pid: int) -> set[int]:
    """Return the processes that `pid` has started and that still run."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Look again and again until the outside world has come so far."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it never came so far"
        await asyncio.sleep(0.02)


async def test_the_parent_never_imports_apprise_and_ends_its_workers() -> None:
    async with serving(answer()) as served, parent(20.0, json_url(served)) as process:
        assert await result_of(process) == {
            "outcome": "ok",
            "note": "JSON: accepted",
            "apprise": False,
        }
        workers = children(process.pid)
        assert len(workers) == 1
        _, errors = await asyncio.wait_for(process.communicate(b""), 10)
        assert process.returncode == 0
        assert errors == b""
        assert not any(map(runs, workers))


async def test_a_worker_that_was_stopped_reads_what_was_answered_meanwhile() -> None:
    """A paused container stops daemon and workers for longer than any of them would wait."""
    stopped = asyncio.Event()

    async def answer_then(_served: Served, writer: asyncio.StreamWriter) -> None:
        await stopped.wait()
        writer.write(answer())

    async with serving(answer_then) as served, parent(1.0, json_url(served)) as process:
        await until(lambda: bool(served.requests))
        os.killpg(process.pid, signal.SIGSTOP)
        stopped.set()
        await asyncio.sleep(3.0)
        os.killpg(process.pid, signal.SIGCONT)
        assert (await result_of(process))["outcome"] == "ok"


async def test_a_worker_that_hangs_is_ended_and_does_not_keep_the_parent() -> None:
    async with serving(hang) as served, parent(1.0, json_url(served)) as process:
        assert (await result_of(process))["outcome"] == "unknown"
        assert not children(process.pid)
        began = time.monotonic()
        await asyncio.wait_for(process.communicate(b""), 10)
        assert time.monotonic() - began < 2.0
        assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_all_lets_the_sending_finish(number: signal.Signals) -> None:
    async with serving(slow) as served, parent(20.0, json_url(served)) as process:
        await until(lambda: bool(served.requests))
        os.killpg(process.pid, number)
        assert (await result_of(process))["outcome"] == "ok"
        os.killpg(process.pid, number)  # also while the worker is idle
        _, errors = await asyncio.wait_for(process.communicate(b""), 10)
        assert process.returncode == 0
        assert errors == b""


async def test_an_idle_worker_ends_when_its_parent_is_killed() -> None:
    async with serving(answer()) as served, parent(20.0, json_url(served)) as process:
        await result_of(process)
        workers = children(process.pid)
        assert workers
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: not any(map(runs, workers)), 5.0)


async def test_a_worker_that_hangs_ends_itself_soon_after_its_parent_is_killed() -> None:
    async with serving(drip) as served, parent(1.0, json_url(served)) as process:
        await until(lambda: bool(served.requests))
        workers = children(process.pid)
        assert workers
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: not any(map(runs, workers)), 12.0)


async def test_a_worker_that_is_killed_leaves_the_outcome_unknown() -> None:
    async with serving(slow) as served, parent(20.0, json_url(served)) as process:
        await until(lambda: bool(served.requests))
        for worker in children(process.pid):
            os.kill(worker, signal.SIGKILL)
        assert (await result_of(process))["outcome"] == "unknown"


@pytest.mark.parametrize("start", ["-m watcher", "console script"])
async def test_workers_start_however_the_program_was_started(start: str, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("inbox-watcher")
    command = [sys.executable, "-m", "watcher"] if start == "-m watcher" else [str(script)]
    (tmp_path / "rules.yaml").write_text(
        "sources:\n  leads: {provider: leadping, token: x}\n"
        "receivers:\n  team: {type: apprise, url: 'slack://T1JJ3T3L2/wrong-secret/x'}\n"
        "rules:\n  - {name: All, when: conversation.unread, notify: team}\n"
    )
    process = await asyncio.create_subprocess_exec(
        *command, "check", "--config", str(tmp_path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 2, said.decode()
    assert b"An invalid Slack (second) Token" in said
    assert b"wrong-secret" not in said
    assert b"Traceback" not in said


async def test_many_calls_that_hang_leave_nothing_behind() -> None:
    # Far less time than a worker needs to start: what was starting must not be forgotten either.
    measured = await measure(calls=8, workers=2, deadline=0.2)
    assert measured["outcomes"] == {"unknown": 8}
    assert measured["most_processes"] <= 2
    assert measured["processes_left"] == 0
    assert measured["files_after"] <= measured["files_before"] + 1
