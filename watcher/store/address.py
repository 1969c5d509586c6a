"""Where a store is, as the setting `store` names it, and every way to open what is there.

Rules: the only place that turns a configured text into a store. Today a text is the path of a
SQLite file; another kind of store (`postgresql://`) joins here, and callers stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from watcher.store import OwnedStore, Store
from watcher.store.retrying import Retrier
from watcher.store.sqlite import SqliteStore, copy_into
from watcher.store.sqlite.lock import LockHolder, read_lock
from watcher.store.sqlite.preflight import look
from watcher.store.sqlite.schema import migrations

__all__ = ["AddressError", "LockHolder", "StoreAddress"]


class AddressError(ValueError):
    """A text that names no store; `remedy` says what to write instead, where that helps."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.remedy = remedy
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """The address of one store."""

    path: Path

    @classmethod
    def parse(cls, text: str, folder: Path | None = None) -> StoreAddress:
        """Return the address that a text means; a relative path starts at `folder`, by default the
        working directory. Raise AddressError.
        """
        if "://" in text:
            raise AddressError(
                "is a URL; this version keeps its store in SQLite", "write a file's path"
            )
        if "\0" in text:
            raise AddressError("is not a path")
        return cls(Path(text) if folder is None else folder / text)

    def __str__(self) -> str:
        return str(self.path)

    def absolute(self) -> StoreAddress:
        """Return the address independent of the working directory."""
        return StoreAddress(self.path.absolute())

    def exists(self) -> bool:
        """Return whether a store was created here."""
        return self.path.exists()

    def holder(self) -> LockHolder | None:
        """Return who owns the store now, None if it has no owner; raise StoreError.

        Blocks no longer than it takes to open a file.
        """
        return read_lock(self.path)

    def look(self) -> None:
        """Raise StoreError with what would keep this user from opening the store; change nothing."""
        look(self.path)

    @property
    def schema(self) -> int:
        """The version of the schema that a store here has."""
        return len(migrations())

    @property
    def daemon_socket(self) -> Path:
        """The path of the control socket on which a daemon that owns the store listens."""
        return self.path.with_name(self.path.name + ".sock").absolute()

    async def open_owner(
        self, owner: str, *, retrier: Retrier | None = None, durable: bool = True
    ) -> OwnedStore:
        """Open the store as its only owner, creating or migrating it as needed.

        `owner` is reported to other processes that find the store locked. With `retrier`, calls
        wait for a full disk or a lock instead of failing. Without `durable` no write waits for the
        disk: for a store that goes with the process. Raises StoreLocked, StoreError.
        """
        return await SqliteStore.open(self.path, owner, retrier=retrier, durable=durable)

    async def open_reader(self, *, steps: int | None = None) -> Store:
        """Open the store for reading only, with or without a running owner; raise StoreError.

        Every method of it that writes raises StoreError. With `steps`, a statement that takes more is
        ended with StatementEnded.
        """
        return await SqliteStore.open_reader(self.path, steps=steps)

    async def copy_into(self, folder: Path) -> OwnedStore:
        """Return a copy of the whole store as it is now, in a folder of its own; empty if it does not
        exist yet. Raises StoreError, also where the folder has no room for it.
        """
        return await copy_into(self.path, folder)
