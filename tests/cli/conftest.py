"""The command line's tests share a workshop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from workshop import Running, Workshop, keep_running


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own, for servers."""
    with start_blocking_portal("asyncio") as started:
        yield started
        started.call(started.stop, True)


@pytest.fixture
def shop(tmp_path: Path, portal: BlockingPortal) -> Workshop:
    """A workshop in an empty folder."""
    return Workshop(tmp_path, portal)


@pytest.fixture
def running(shop: Workshop) -> Callable[..., AbstractContextManager[Running]]:
    """Start the real program for the length of a `with` block."""
    return lambda *arguments: keep_running(shop, *arguments)
