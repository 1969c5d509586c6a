"""Who owns a store: an advisory lock on the file `<store>.lock` next to it.

Rules: the lock is the truth; the content of the file is read only while the lock is held. The kernel
drops the lock when its holder dies, however it dies; the file itself stays, and with it, behind its first
page, what the holder was at when it died.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from typing import TypedDict

from watcher.errors import StoreError, StoreLocked
from watcher.store.sqlite.place import READ, WRITE, check_file

__all__ = ["LockHolder", "StoreLock", "read_lock"]

_CLOSED = b'{"closed": true}'
"""The last word of an owner that closed the store in order."""

_OURS = (_CLOSED, b'{"pid": ')
"""How the content of a lock begins."""

_PAGE, _MARK = 4096, 512
"""Bytes of who holds the lock, and of the mark behind them."""

_GLANCES = 100
"""How often the lock is tried while only glances (`read_lock`) stand in the way, 10 ms apart."""


class LockHolder(TypedDict):
    """Who holds a lock: process, its role in a word or two, and its control socket or ``""``."""

    pid: int
    owner: str
    socket: str


class StoreLock:
    """The lock on a store, held from `acquire` to `release`. `orderly` tells whether the owner
    before this one left the store in order; it was killed, or there was none, otherwise.
    """

    def __init__(self, descriptor: int, holder: LockHolder) -> None:
        self._descriptor: int | None = descriptor
        self._holder = holder
        self.orderly = _CLOSED in os.pread(descriptor, _PAGE, 0)
        self._write(json.dumps(holder).encode())

    @classmethod
    def acquire(cls, store: Path, owner: str) -> StoreLock:
        """Acquire the lock, or raise StoreLocked with the holder."""
        path = _path(store)
        try:
            descriptor = os.open(path, WRITE, 0o600)
        except OSError as error:
            check_file(path)
            reason = f"cannot open {path}: {error.strerror}; check the directory's permissions"
            raise StoreError(reason) from error
        try:
            check_file(path, os.fstat(descriptor))
            content = os.pread(descriptor, 16, 0)
            if content and not content.startswith(_OURS):
                raise StoreError(f"{path} is no lock of this program; move it away")
            for _ in range(_GLANCES):
                if _try(descriptor, fcntl.LOCK_EX):
                    return cls(descriptor, {"pid": os.getpid(), "owner": owner, "socket": ""})
                if not _try(descriptor, fcntl.LOCK_SH):
                    break
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                time.sleep(0.01)
            holder = _read(descriptor)
            raise StoreLocked(str(store), f"{holder['owner']}, process {holder['pid']}")
        except BaseException:
            os.close(descriptor)
            raise

    def record_socket(self, socket: str) -> None:
        """Record where the holder listens for commands."""
        self._holder = {**self._holder, "socket": socket}
        self._write(json.dumps(self._holder).encode())

    def mark(self, text: str) -> None:
        """Note what the holder is at; it stays when the holder dies, though not when the machine does."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # on a full disk, nothing is noted
                os.pwrite(self._descriptor, text.encode()[:_MARK].ljust(_MARK), _PAGE)

    def marked(self) -> str:
        """Return the mark, also that of the holder before this one; empty if there is none."""
        if self._descriptor is None:
            return ""
        return os.pread(self._descriptor, _MARK, _PAGE).strip(b" \0").decode(errors="replace")

    def release(self, *, orderly: bool = False) -> None:
        """Release the lock and record whether the store is in order; safe to call twice."""
        if self._descriptor is not None:
            if orderly:
                with contextlib.suppress(StoreError):  # then the next owner looks more closely
                    self._write(_CLOSED)
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, text: bytes) -> None:
        if self._descriptor is None:
            return
        try:
            os.pwrite(self._descriptor, text.ljust(_PAGE), 0)
        except OSError as error:
            reason = f"the store's lock file cannot be written: {error.strerror}"
            raise StoreError(f"{reason}; make room on the disk") from error


def read_lock(store: Path | str) -> LockHolder | None:
    """Return who holds the store's lock now, None if it is free. Blocks no longer than it takes to
    open a file.
    """
    try:
        descriptor = os.open(_path(Path(store)), READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {_path(Path(store))}: {error.strerror}") from error
    try:
        return None if _try(descriptor, fcntl.LOCK_SH) else _read(descriptor)
    finally:
        os.close(descriptor)


def _path(store: Path) -> Path:
    return store.with_name(store.name + ".lock")


def _try(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> LockHolder:
    """Read what the holder has written, which may be half written at this very moment."""
    text = os.pread(descriptor, _PAGE, 0)
    try:
        found = json.loads(text)
        return {"pid": found["pid"], "owner": found["owner"], "socket": found["socket"]}
    except (ValueError, KeyError, TypeError):
        return {"pid": 0, "owner": "unknown", "socket": ""}
