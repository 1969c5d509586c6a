"""The command line's tests share a workshop; structlog and logging are put back after each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import structlog
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


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Commands set up logging for their process, which is the tests' here."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
