"""The SQLite store in a process that dies or ends without closing it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.support.make import event, snapshot
from watcher.records import Commit, EventQuery
from watcher.store.sqlite import SqliteStore, read_lock

WRITER = """
import sys, anyio
from tests.support.make import event, snapshot
from watcher.records import Commit
from watcher.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(sys.argv[1])

    async def write(lane):
        for number in range(100_000):
            name = f"{lane}-{number}"
            page = Commit("sales", events=(event(name),), snapshots=(snapshot(name),))
            await store.commit(page)
            print(name, flush=True)

    async with anyio.create_task_group() as tasks:
        for lane in range(8):
            tasks.start_soon(write, lane)

anyio.run(main)
"""

FORGETFUL = """
import sys, anyio
from tests.support.make import event
from watcher.records import Commit
from watcher.store.sqlite import SqliteStore

kept = []

async def main():
    kept.append(await SqliteStore.open(sys.argv[1]))
    kept.append(await SqliteStore.open_reader(sys.argv[1]))
    await kept[0].commit(Commit("sales", events=(event(),)))
    {ending}

anyio.run(main)
"""


def program(source: str, path: Path) -> subprocess.Popen[str]:
    """Start a Python program that may import what tests share."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", source, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def kill_while_writing(path: Path, after: int) -> set[str]:
    """Let the writer acknowledge so many commits, kill it, and give all it acknowledged."""
    with program(WRITER, path) as writer:
        lines = [writer.stdout.readline() for _ in range(after)]
        assert read_lock(path)["pid"] == writer.pid
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
    whole = "".join(lines) + rest
    return set(whole[: whole.rfind("\n")].splitlines())  # the last line may be cut


async def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(20261120)
    for attempt in range(4):
        path = tmp_path / f"db{attempt}"
        acknowledged = kill_while_writing(path, chance.randrange(1, 400))
        assert acknowledged
        assert read_lock(path) is None  # the kernel has dropped the lock

        reader = await SqliteStore.open_reader(path)  # before any owner has recovered the file
        assert acknowledged <= set(await reader.present_ids("sales"))
        await reader.close()

        store = await SqliteStore.open(path)
        events = {found.event.id for found in await store.events(EventQuery(limit=10**6))}
        assert acknowledged <= events
        assert set(await store.present_ids("sales")) == events  # whole commits only
        await store.commit(Commit("sales", events=(event("on"),), snapshots=(snapshot("on"),)))
        await store.close()
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


def test_a_store_that_nobody_closed_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    for name, ending, status in (("ends", "", 0), ("fails", "raise SystemExit(3)", 3)):
        path = tmp_path / name
        with program(FORGETFUL.replace("{ending}", ending), path) as forgetful:
            try:
                forgetful.communicate(timeout=30)
            finally:
                forgetful.kill()
        assert forgetful.returncode == status
        assert read_lock(path) is None
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
        connection.close()
