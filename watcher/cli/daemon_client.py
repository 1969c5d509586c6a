"""How commands reach the configuration, the store and the running daemon.

Law: a command that changes something asks the daemon that owns the store; only when none runs
does it open the store itself, under the lock. Reading needs neither.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from watcher import config, logs
from watcher.cli.console import Console
from watcher.cli.options import LogLevel
from watcher.config import Config
from watcher.control import tell_daemon
from watcher.errors import StoreError, StoreLocked
from watcher.store import Store
from watcher.store.address import LockHolder, StoreAddress

__all__ = ["ask_daemon", "load", "owning", "reading"]

STARTING = 1.0
"""Seconds that a daemon may take from the lock to its control socket."""


def load(
    console: Console,
    paths: Sequence[Path] | None,
    *,
    secrets: bool = False,
    level: LogLevel = LogLevel.warning,
) -> Config:
    """Load the configuration and make the console and the log know its secrets.

    Without `secrets` the variables and files need not be there; that is enough for whoever only
    wants to know where the store is. Raises ConfigError.
    """
    loaded = config.load(paths, environ=os.environ, secrets=secrets)
    console.scrub = loaded.redactor.scrub
    logs.configure(level=console.level or level, scrub=loaded.redactor.scrub)
    return loaded


async def ask_daemon(
    store: StoreAddress, method: str, call: str, wish: Mapping[str, Any] | None = None
) -> Mapping[str, Any] | None:
    """Ask the daemon that owns the store; None when nobody owns it.

    Raises StoreLocked when the owner takes no questions (another command, a pass of
    `run --once`), StoreError when it refuses or does not answer.
    """
    holder = await _wait_for_socket(store)
    if holder is None:
        return None
    if not holder["socket"]:
        raise StoreLocked(str(store), f"{holder['owner']}, process {holder['pid']}")
    try:
        return await tell_daemon(Path(holder["socket"]), method, call, wish)
    except StoreError:
        if store.holder() is None:
            return None  # it ended meanwhile
        raise


async def _wait_for_socket(store: StoreAddress) -> LockHolder | None:
    """Tell who owns the store; a daemon that has just started gets the time to listen."""
    deadline = anyio.current_time() + STARTING
    while (holder := store.holder()) is not None:
        if holder["socket"] or anyio.current_time() > deadline:
            break
        await anyio.sleep(0.05)
    return holder


@contextlib.asynccontextmanager
async def reading(store: StoreAddress) -> AsyncIterator[Store]:
    """Open the store for reading, beside a running daemon or without one; raises StoreError."""
    reader = await store.open_reader()
    try:
        yield reader
    finally:
        await reader.close()


@contextlib.asynccontextmanager
async def owning(store: StoreAddress, command: str) -> AsyncIterator[Store]:
    """Open the store as its owner for one short command; raises StoreLocked, StoreError."""
    owner = await store.open_owner(f"inbox-watcher {command}")
    try:
        yield owner
    finally:
        await owner.close()
