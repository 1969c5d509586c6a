"""How commands reach the configuration, the store and the running daemon.

Rules: a command that changes something calls the daemon that owns the store. Only if no daemon is
running does it open the store itself, under the lock. Reading needs neither.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio

from watcher import config, logs
from watcher.cli.console import Console
from watcher.cli.options import LogLevel
from watcher.config import Config
from watcher.control import Control, connect
from watcher.daemon.offline import OfflineControl
from watcher.errors import StoreError, StoreLocked
from watcher.store import Store
from watcher.store.address import LockHolder, StoreAddress

__all__ = ["NoDaemon", "call_daemon", "daemon_socket", "load", "perform", "reading"]

STARTING = 1.0
"""Seconds that a daemon may take from the lock to its control socket."""

T = TypeVar("T")


class NoDaemon(StoreError):
    """No daemon is running on the store."""


def load(
    console: Console,
    paths: Sequence[Path] | None,
    *,
    secrets: bool = False,
    level: LogLevel = LogLevel.warning,
) -> Config:
    """Load the configuration, and redact its secrets from the console and the log.

    Without `secrets`, variables and secret files need not exist: enough for a command that only
    needs the store. Raise ConfigError.
    """
    loaded = config.load(paths, environ=os.environ, secrets=secrets)
    console.scrub = loaded.redactor.scrub
    console.zone = loaded.timezone or console.zone
    logs.configure(level=console.level or level, scrub=loaded.redactor.scrub)
    return loaded


async def perform(loaded: Config, command: str, action: Callable[[Control], Awaitable[T]]) -> T:
    """Run `action` on the running daemon, or on the store itself if no daemon is running.

    Raise StoreError, StoreLocked as `call_daemon` does; `command` names the owner of the store.
    """
    try:
        return await call_daemon(loaded.store, action)
    except NoDaemon:
        owner = await loaded.store.open_owner(f"inbox-watcher {command}")
        try:
            return await action(OfflineControl(loaded, owner))
        finally:
            await owner.close()


async def call_daemon(store: StoreAddress, action: Callable[[Control], Awaitable[T]]) -> T:
    """Run `action` on the daemon that owns the store.

    Raise NoDaemon if the store has no owner, StoreLocked if its owner has no control socket
    (another command, `run --once`), StoreError if the daemon refuses or does not answer.
    """
    try:
        return await action(connect(await daemon_socket(store)))
    except StoreError:
        if store.holder() is None:  # perhaps it has stopped since
            raise NoDaemon(f"no daemon is running on {store}") from None
        raise


async def daemon_socket(store: StoreAddress) -> Path:
    """Return the control socket of the daemon that owns the store; raise NoDaemon, StoreLocked."""
    holder = await _wait_for_socket(store)
    if holder is None:
        raise NoDaemon(f"no daemon is running on {store}")
    if not holder["socket"]:
        raise StoreLocked(str(store), f"{holder['owner']}, process {holder['pid']}")
    return Path(holder["socket"])


async def _wait_for_socket(store: StoreAddress) -> LockHolder | None:
    """Return who owns the store; a daemon that has just started gets the time to listen."""
    deadline = anyio.current_time() + STARTING
    while (holder := store.holder()) is not None:
        if holder["socket"] or anyio.current_time() > deadline:
            break
        await anyio.sleep(0.05)
    return holder


@contextlib.asynccontextmanager
async def reading(store: StoreAddress) -> AsyncIterator[Store]:
    """Open the store for reading, whether or not a daemon is running; raise StoreError."""
    reader = await store.open_reader()
    try:
        yield reader
    finally:
        await reader.close()
