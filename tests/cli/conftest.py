"""The command line's tests share a harness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.cli.harness import Harness, Running, keep_running


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own, for servers."""
    with start_blocking_portal("asyncio") as started:
        yield started
        started.call(started.stop, True)


@pytest.fixture
def harness(tmp_path: Path, portal: BlockingPortal) -> Harness:
    """A harness in an empty folder."""
    return Harness(tmp_path, portal)


@pytest.fixture
def running(harness: Harness) -> Callable[..., AbstractContextManager[Running]]:
    """Start the real program for the length of a `with` block."""
    return lambda *arguments: keep_running(harness, *arguments)
