"""A configuration file that a test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.harness import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write
