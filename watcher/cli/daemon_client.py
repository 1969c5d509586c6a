"""How commands reach the configuration, the store and the running daemon.

Rules: a command that changes something calls the daemon that owns the store. Only if no daemon is
running does it open the store itself, under the lock. Reading needs neither. A valid configuration
is demanded only where it is used, and read whole only where its parts are: `look` is enough for the rest.
What a whole configuration needs (models, plug-ins, rules) is imported when one is loaded.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio

from watcher.cli.console import Console
from watcher.cli.options import LogLevel
from watcher.config.files import VARIABLE
from watcher.config.outline import Outline, read_outline
from watcher.control import Control, DaemonControl, connect
from watcher.errors import ConfigError, StoreError, StoreLocked
from watcher.records import OWN
from watcher.store import Store
from watcher.store.address import LockHolder, StoreAddress

if TYPE_CHECKING:
    from watcher.config.model import Config

__all__ = [
    "NoDaemon",
    "begin",
    "call_daemon",
    "daemon_socket",
    "load",
    "load_valid",
    "look",
    "perform",
    "reading",
    "receiver_names",
    "source_names",
]

STARTING = 1.0
"""Seconds that a daemon may take from the lock to its control socket."""

T = TypeVar("T")


class NoDaemon(StoreError):
    """No daemon is running on the store."""


def look(console: Console) -> Outline:
    """Return where the store of the watcher is that a command is about, and which names are configured.
    Secrets need not exist.

    Raise ConfigError as `load` does. With `--store` only a configuration that was named is read.
    """
    asked = console.asked
    if asked.store is not None and not (asked.config or os.environ.get(VARIABLE)):
        return Outline(StoreAddress(asked.store), complete=False)
    known = read_outline(asked.config, environ=os.environ)
    if known is not None and asked.store is not None:
        known = replace(known, store=StoreAddress(asked.store))
    elif known is None or not _in_use(known.store):  # whatever is wrong in the files is said
        return Outline.of(load(console))
    console.redactor = known.redactor
    console.zone = known.timezone or console.zone
    return known


def load(console: Console) -> Config:
    """Load what is right in the configuration of the watcher that a command is about. Secrets need not
    exist.

    Whatever is wrong in the files is one warning, as long as they say where the store is, and there
    is one; else raise ConfigError. With `--store` only a configuration that was named is read.
    """
    from watcher.config.load import inspect_files
    from watcher.config.model import Config

    asked = console.asked
    named = asked.config or os.environ.get(VARIABLE)
    inspection = inspect_files(asked.config, environ=os.environ, secrets=False, learns=True)
    loaded, problems = inspection.config, inspection.problems
    if asked.store is not None:
        store = StoreAddress(asked.store)
        loaded = replace(loaded, store=store) if named else Config.unread(store)
    elif inspection.unresolved:
        raise ConfigError(inspection.unresolved)
    elif problems and not _in_use(loaded.store):
        raise ConfigError(problems)
    begin(console, loaded)
    if problems and (named or asked.store is None):
        more = f"; {len(problems) - 1} more: `inbox-watcher check`" if len(problems) > 1 else ""
        console.note(
            f"warning: the configuration is not valid, this is what the daemon and the store know;"
            f" {problems[0]}{more}",
            "yellow",
        )
    return loaded


def _in_use(store: StoreAddress) -> bool:
    return store.exists() or store.holder() is not None


def load_valid(
    console: Console,
    paths: Sequence[Path] | None = None,
    *,
    secrets: bool = False,
    level: LogLevel = LogLevel.warning,
) -> Config:
    """Load the configuration at `paths`, by default the one that was asked for, and redact its
    secrets from the console and the log; raise ConfigError.

    Without `secrets`, variables and secret files need not exist.
    """
    from watcher.config.load import load as load_whole

    paths = paths or console.asked.config
    loaded = load_whole(paths, environ=os.environ, secrets=secrets)
    begin(console, loaded, level)
    return loaded


def begin(console: Console, loaded: Config, level: LogLevel = LogLevel.warning) -> None:
    """Have the console and the log follow a configuration: its secrets and its time zone."""
    from watcher import logs

    console.redactor = loaded.redactor
    console.zone = loaded.timezone or console.zone
    asked = console.asked
    logs.configure(
        level=asked.log_level or level, scrub=loaded.redactor.scrub, form=asked.log_format
    )


async def source_names(known: Outline) -> list[str]:
    """Return the sources that the configuration or the store knows."""
    names = dict.fromkeys(known.sources)
    with contextlib.suppress(StoreError):
        async with reading(known.store) as store:
            names |= dict.fromkeys(one.name for one in await store.sources() if one.name not in OWN)
    return list(names)


async def receiver_names(known: Outline) -> list[str]:
    """Return the receivers that the configuration or the store knows."""
    names = dict.fromkeys(known.receivers)
    with contextlib.suppress(StoreError):
        async with reading(known.store) as store:
            names |= dict.fromkeys((*await store.receivers(), *await store.pending()))
    return list(names)


async def perform(
    console: Console, known: Outline, command: str, action: Callable[[Control], Awaitable[T]]
) -> T:
    """Run `action` on the running daemon, or on the store itself if no daemon is running.

    Raise StoreError, StoreLocked as `call_daemon` does; `command` names the owner of the store.
    """
    try:
        return await call_daemon(known.store, action)
    except NoDaemon:
        from watcher.daemon.offline import OfflineControl

        loaded = known.whole or load(console)
        owner = await known.store.open_owner(f"inbox-watcher {command}")
        try:
            return await action(OfflineControl(loaded, owner))
        finally:
            await owner.close()


async def call_daemon(store: StoreAddress, action: Callable[[DaemonControl], Awaitable[T]]) -> T:
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
