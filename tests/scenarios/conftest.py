"""Scenarios run in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stage import Stage
from support.virtual_time import JumpLoop


@pytest.fixture
def anyio_backend() -> Any:
    """Run on the loop that jumps over waiting."""
    return "asyncio", {"loop_factory": JumpLoop}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage with nothing on it."""
    return Stage(tmp_path)
