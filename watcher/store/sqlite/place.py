"""Whether a file of the store may be opened and written where it is: ours, no link, in a folder of ours;
and whether the files that are open are still in their places.

Rules: a link in the place of a file, or a folder that everybody may write, lets somebody else choose what
is written over. Root may use the files of the user that it acts for. A file of an open store is looked at by
its name alone: to open and close it once more would end SQLite's locks on it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from watcher.errors import StoreError

__all__ = ["READ", "WRITE", "check_file", "check_folder", "cut", "gone", "identities"]

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
WRITE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""How such files are opened: never through a link, and without waiting for a pipe's other end."""


def check_file(path: Path, status: os.stat_result | None = None) -> None:
    """Raise StoreError unless a file (its `status`, if it is open) is a regular one of ours with one name;
    one that does not exist is right.
    """
    if status is None:
        try:
            status = path.lstat()
        except OSError:
            return
    if stat.S_ISLNK(status.st_mode):
        raise StoreError(f"{path} is a link; remove it, or name the file itself in `store`")
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path} is no file; check that the path in `store` names one")
    if status.st_nlink > 1:
        raise StoreError(f"{path} is another file's second name (a hard link); remove it")
    if status.st_uid != os.geteuid() and os.geteuid():
        raise StoreError(f"{path} belongs to another user; change its owner, or `store`")


def check_folder(folder: Path) -> None:
    """Raise StoreError for a folder in which every user may replace files."""
    status = folder.stat()
    sticky = status.st_mode & stat.S_ISVTX and status.st_uid in (0, os.geteuid())
    if status.st_mode & stat.S_IWOTH and not sticky:
        raise StoreError(
            f"every user may write to the store's folder {folder}; run `chmod o-w {folder}`"
        )


Identity = tuple[int, int]
"""The device and the number of a file."""

SMALLEST = 512
"""Bytes of the smallest page there is."""


def identities(path: Path) -> Mapping[Path, Identity]:
    """Return which files an open store has: its own, the log of writes and the index of that."""
    found: dict[Path, Identity] = {}
    for end in ("", "-wal", "-shm"):
        one = path.with_name(path.name + end)
        with contextlib.suppress(OSError):
            status = one.lstat()
            found[one] = status.st_dev, status.st_ino
    return found


def gone(files: Mapping[Path, Identity]) -> str:
    """Return what became of a file that is not in its place any more, nothing where all are. What cannot be
    looked at proves nothing.
    """
    for path, identity in files.items():
        try:
            status = path.lstat()
        except FileNotFoundError:
            return f"the file {path} was removed or moved away"
        except OSError:
            continue
        if stat.S_ISLNK(status.st_mode):
            return f"{path} is a link, not the file in use"
        if (status.st_dev, status.st_ino) != identity:
            return f"{path} is another file than the one in use"
        # The log may be empty, the others have a beginning at least.
        if status.st_size < SMALLEST and not path.name.endswith("-wal"):
            return f"the file {path} was cut to {status.st_size} bytes"
    return ""


def cut(path: Path, whole: int) -> str:
    """Return that a file of `whole` bytes was cut, nothing where it was not: what it lacks is in the log of
    writes.
    """
    try:
        size, log = (one.lstat().st_size for one in (path, path.with_name(path.name + "-wal")))
    except OSError:
        return ""
    if whole - size <= log:
        return ""
    return f"the file {path} was cut to {size:,} of {whole:,} bytes"
