"""A receiver with several addresses, over a restart of the program: only what failed is tried again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

from tests.support.loopback import Served, answer, serving, unused_port
from tests.support.make import commit, delivery, event
from watcher.model import Delivery
from watcher.records import DeliveryQuery
from watcher.store.sqlite import SqliteStore


async def run_once(folder: Path) -> None:
    """Start the program for one pass."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "watcher", "run", "--once", "--config", str(folder / "rules.yaml"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert b"Traceback" not in said, said.decode()


async def owed(folder: Path) -> Delivery:
    store = await SqliteStore.open(folder / "watcher.db")
    (found,) = await store.deliveries(DeliveryQuery())
    await store.close()
    return found


async def test_after_a_restart_only_the_failed_address_is_tried_again(tmp_path: Path) -> None:
    async def mend(served: Served, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(status="500 Oh" if len(served.requests) == 1 else "200 OK"))

    async with serving(answer()) as good, serving(mend) as bad:
        urls = [served.url.replace("http:", "json:") for served in (good, bad)]
        (tmp_path / "rules.yaml").write_text(
            "store: watcher.db\n"
            "server: false\n"
            f"sources: {{sales: {{provider: leadping, organization: x, token: x,"
            f" base_url: 'http://127.0.0.1:{await unused_port()}'}}}}\n"
            f"receivers: {{team: {{type: apprise, urls: {urls}, retry: [1h]}}}}\n"
            "rules: [{name: all, when: '*', notify: team}]\n"
        )
        store = await SqliteStore.open(tmp_path / "watcher.db")
        await store.commit(commit(delivery(event("e1"), rule="all")))
        await store.close()

        await run_once(tmp_path)
        first = await owed(tmp_path)
        assert (first.state, len(first.reached)) == ("pending", 1), first.note
        assert first.note.startswith("1 of 2: 2. JSON: ")
        assert (len(good.requests), len(bad.requests)) == (1, 1)

        with contextlib.closing(sqlite3.connect(tmp_path / "watcher.db")) as hour_later, hour_later:
            hour_later.execute("UPDATE deliveries SET due = due - 7200000000")
        await run_once(tmp_path)
        assert (await owed(tmp_path)).state == "delivered"
        assert (len(good.requests), len(bad.requests)) == (1, 2)
