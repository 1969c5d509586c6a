"""What polls may cost: bounds a little above what was measured (`python -m tests.bench`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench.polls import PACES, VERSIONS, measure
from tests.support.virtual_time import JumpLoop

QUIET, STEADY, BUSY = PACES
BOUNDS = [
    ("v2.16", QUIET, 1.0, 25.0), ("v2.16", STEADY, 1.2, 30.0), ("v2.16", BUSY, 6.0, 150.0),
    ("v3.16", QUIET, 1.0, 0.0), ("v3.16", STEADY, 1.0, 9.0), ("v3.16", BUSY, 1.0, 90.0),
    ("v4.15", QUIET, 1.0, 0.0), ("v4.15", STEADY, 1.0, 9.0), ("v4.15", BUSY, 1.0, 90.0),
]  # fmt: skip
"""Requests and rows a poll; there were 14 requests and 325 rows at v2.16, and 130 rows where it is busy."""


@pytest.fixture
def anyio_backend() -> Any:
    """Run on the loop that jumps over waiting."""
    return "asyncio", {"loop_factory": JumpLoop}


@pytest.mark.parametrize(("version", "pace", "requests", "rows"), BOUNDS)
async def test_what_a_poll_costs(
    tmp_path: Path, version: str, pace: str, requests: float, rows: float
) -> None:
    costs = await measure(tmp_path, VERSIONS[version], PACES[pace], seconds=600)
    assert costs.polls >= 20
    assert costs.polling.requests / costs.polls <= requests
    assert costs.polling.rows / costs.polls <= rows
