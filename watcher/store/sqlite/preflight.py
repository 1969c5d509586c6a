"""Whether a store could be opened here, seen from outside.

Rules: opens no connection and writes nothing, so that whoever looks (often root) leaves no file
behind that the daemon's user cannot write. What it finds, opening the store would find as well.
"""

from __future__ import annotations

import os
import pwd
import struct
from pathlib import Path

from watcher.errors import StoreError
from watcher.store.sqlite.place import check_file, check_folder
from watcher.store.sqlite.schema import APPLICATION_ID, check_version, migrations, store_error

__all__ = ["look"]

_HEADER = 108  # up to the number of tables and indexes
_MAGIC = b"SQLite format 3\0"


def look(path: Path) -> None:
    """Raise StoreError with what would keep this process's user from opening the store."""
    folder, who = path.parent, _user()
    if not folder.is_dir():
        raise StoreError(
            f"the store's folder {folder} does not exist; create it, or change `store`"
        )
    if not _may(folder, os.W_OK | os.X_OK):
        raise StoreError(
            f"{who} cannot write to the store's folder {folder}; change its owner, or `store`"
        )
    check_folder(folder)
    if path.is_dir():
        raise StoreError(f"the store {path} is not a file; change `store`")
    for one in (path, path.with_name(path.name + ".lock")):
        check_file(one)
    if not path.exists():
        return
    for one in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".lock"))):
        if one.exists() and not _may(one, os.R_OK | os.W_OK):
            raise StoreError(f"{who} cannot write {one}, a file of the store; change its owner")
    _look_into(path)


def _look_into(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            header = stream.read(_HEADER)
    except OSError as error:
        raise store_error(path, error) from error
    if not header:
        return  # made by `touch`; the daemon fills it
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise StoreError(f"the store {path} is no SQLite database; move it away, or change `store`")
    version, application = (struct.unpack_from(">I", header, at)[0] for at in (60, 68))
    (tables,) = struct.unpack_from(">H", header, 103)
    if tables and application != APPLICATION_ID:
        raise StoreError(
            f"{path} is a database of another program; choose another path for `store`"
        )
    check_version(path, version, len(migrations()))


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _user() -> str:
    number = os.geteuid()
    try:
        return f"user {number} ({pwd.getpwuid(number).pw_name})"
    except KeyError:  # a container's user often has no name
        return f"user {number}"
