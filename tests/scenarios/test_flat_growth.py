"""What polls, a change and tidying cost the store does not grow with what is known: counted in SQLite's own
steps, with a hundred conversations known and with a hundred thousand.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from tests.simulation.quick import quick
from tests.support.make import MARIA
from tests.support.virtual_time import JumpLoop
from watcher.model import Snapshot
from watcher.records import Commit
from watcher.store.sqlite import SqliteStore

FEW, MANY = 100, 100_000


@pytest.fixture(autouse=True)
def _without_threads() -> Any:
    """Run the store's statements at once."""
    with quick(threads=False):
        yield


class Steps:
    """Counts what both connections of a store do, in its own steps."""

    def __init__(self, store: SqliteStore) -> None:
        self._connections = (store._writer.connection, store._reader._connection._connection)
        self.counted = 0

    def _count(self) -> None:
        self.counted += 1

    def __enter__(self) -> Steps:
        for one in self._connections:
            one.set_progress_handler(self._count, 1)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._connections:
            one.set_progress_handler(None, 0)


async def known(store: SqliteStore, source: str, count: int, since: Any) -> None:
    """Have the source know so many conversations more."""
    for first in range(0, count, 1000):
        rows = tuple(
            Snapshot(replace(MARIA, id=f"x{number}"), 1, frozenset({"unread"}), {}, since)
            for number in range(first, first + 1000)
        )
        await store.commit(Commit(source, snapshots=rows))


async def of(folder: Path, count: int) -> dict[str, int]:
    """Return the steps of ten idle minutes, of a change, and of tidying up."""
    store = await SqliteStore.open(folder / "db")
    harness = Harness(folder, store=store)
    harness.sweep_every = "7d"
    account = harness.watch("chatwoot", "sales", "1", conversations=20)
    found: dict[str, int] = {}
    try:
        async with harness.running():
            await harness.baseline()
            if count > FEW:
                await known(store, "sales", count, harness.clock())
            await anyio.sleep(600)
            with Steps(store) as steps:
                await anyio.sleep(600)
            found["idle"] = steps.counted
            with Steps(store) as steps:
                harness.world.message(account.living()[0], "words")
                await anyio.sleep(60)
            found["change"] = steps.counted
            with Steps(store) as steps:
                await store.prune(harness.clock(), harness.clock())
            found["tidying"] = steps.counted
            assert len(harness.inbox.of("conversation.message")) == 1
    finally:
        await store.close()
    return found


def test_what_is_known_costs_nothing_while_nothing_happens_to_it(tmp_path: Path) -> None:
    async def run() -> None:
        for name in ("few", "many"):
            (tmp_path / name).mkdir()
        few, many = await of(tmp_path / "few", FEW), await of(tmp_path / "many", MANY)
        assert few["change"] > 100
        for what, steps in few.items():
            assert many[what] <= steps * 1.2 + 100, (what, few, many)

    anyio.run(run, backend_options={"loop_factory": JumpLoop})
