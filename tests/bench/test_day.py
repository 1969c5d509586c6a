"""Hours of many sources: none is read late, and what is written is told once (`tests.bench.day`)."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.bench.day import LOOK_EVERY, measure
from tests.simulation.quick import quick
from tests.support.virtual_time import JumpLoop

INTERVAL = 1800.0


@pytest.fixture(autouse=True)
def _without_threads() -> object:
    """Run the store's statements at once."""
    with quick(threads=False):
        yield


def test_nothing_is_late_by_more_than_its_interval(tmp_path: Path) -> None:
    async def run() -> None:
        day = await measure(tmp_path, 64, 4, "30m", "2h")
        assert day.baseline < 30
        assert day.latest <= INTERVAL + 1
        assert (day.told, day.written) == (480, 480)
        assert day.slowest <= INTERVAL + 1
        # No more is asked than the intervals ask for: a poll in half an hour, and what a sweep needs.
        hours = 4 + (INTERVAL + LOOK_EVERY) / 3600
        assert day.polls <= 64 * (2 * hours + 4)
        assert day.requests <= day.polls + 64 * (6 + 4 * hours / 2)

    anyio.run(run, backend_options={"loop_factory": JumpLoop})
