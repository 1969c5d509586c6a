"""Scenarios run in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.harness import Harness
from tests.support.virtual_time import JumpLoop


@pytest.fixture
def anyio_backend() -> Any:
    """Run on the loop that jumps over waiting."""
    return "asyncio", {"loop_factory": JumpLoop}


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """A harness with nothing on it."""
    return Harness(tmp_path)
