"""Whether a file of the store may be opened and written where it is: ours, no link, in a folder of ours.

Rules: a link in the place of a file, or a folder that everybody may write, lets somebody else choose what
is written over. Root may use the files of the user that it acts for.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from watcher.errors import StoreError

__all__ = ["READ", "WRITE", "check_file", "check_folder"]

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
