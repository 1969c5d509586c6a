"""What all tests share: the asyncio backend (aiosqlite knows no other), Hypothesis profiles,
and that what a command sets up for its process ends with its test.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=60, deadline=None)
# In CI the same tree has the same verdict, as in the profile of that name that Hypothesis brings; what is
# found by chance is found at the desk, where every run tries other examples.
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

if importlib.util.find_spec("sniffio") is None:
    # httpx looks for it at each request to an application in this process; that it is not there is
    # told at once like this, without a look into every folder of the path.
    sys.modules["sniffio"] = None  # type: ignore[assignment]


def pytest_configure() -> None:
    """Stop where the plug-ins that are installed are not those of pyproject.toml; let what tests write be
    their own, as those who write tokens into a configuration should.
    """
    os.umask(0o077)
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    for group, points in project["entry-points"].items():
        installed = {point.name: point.value for point in entry_points(group=group)}
        if points.items() - installed.items():
            remedy = "run `pip install -e . --no-deps` again"
            pytest.exit(f"the installed entry points of {group} are old: {remedy}", 4)


SCENARIOS = {"bench", "fuzz", "scenarios", "simulation"}
SYSTEM = {"cli", "crashes", "demo", "deploy", "docs", "notify", "test_house.py", "web"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, so that `pytest -m quick` runs what needs no process and no daemon."""
    tests = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(tests).parts[0]
        kind = "scenario" if folder in SCENARIOS else "system" if folder in SYSTEM else "quick"
        item.add_marker(kind)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run single files in this process; whole folders are left to pytest-xdist."""
    return 0 if all(".py" in argument for argument in config.args) else None


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Commands set up logging for their process, which is the tests' here."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
