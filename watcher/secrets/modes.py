"""Whether other users of this machine may read a file or change it, as ssh judges its keys and settings.

Rules: the file's own mode decides, not the folders above it. A group of which nobody but the owner is a
member is no other user. What a container's engine provides (Docker and Podman below `/run/secrets`,
Kubernetes behind a link `..data`) is world-readable by default, and within the container there is
nobody else: there, reading is no weakness; nor is writing where the file system is mounted read-only.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from functools import lru_cache
from pathlib import Path

__all__ = ["is_provided", "openness"]

_PROVIDED = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where container engines put secrets."""


def openness(path: Path, *, secret: bool) -> str:
    """Return what others may do with a file, as the end of a sentence that begins with its name; empty
    if nothing, or if it cannot be looked at. Reading counts for a `secret` alone.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return ""
        writes = _who(status, "write")
        if writes and not os.statvfs(path).f_flag & os.ST_RDONLY:
            return f"can be changed by {writes} (mode {stat.S_IMODE(status.st_mode):04o})"
        reads = _who(status, "read") if secret else ""
        if reads and not is_provided(path, status.st_uid):
            return f"can be read by {reads} (mode {stat.S_IMODE(status.st_mode):04o})"
        folder = path.parent.stat()
        replaces = _who(folder, "write") if not folder.st_mode & stat.S_ISVTX else ""
        if replaces and not os.statvfs(path.parent).f_flag & os.ST_RDONLY:
            mode = stat.S_IMODE(folder.st_mode)
            return f"can be replaced by {replaces} (mode {mode:04o} of its folder)"
    except (OSError, ValueError):
        return ""
    return ""


def is_provided(path: Path, owner: int) -> bool:
    """Return whether a file is where a container's engine puts secrets, for all in the container."""
    if any(path.is_relative_to(folder) for folder in _PROVIDED):
        return True
    return owner in (0, os.geteuid()) and (path.parent / "..data").is_symlink()


def _who(status: os.stat_result, does: str) -> str:
    """Return who besides the owner, root and this process has a permission: `read` or `write`."""
    others, group = (stat.S_IROTH, stat.S_IRGRP) if does == "read" else (stat.S_IWOTH, stat.S_IWGRP)
    if status.st_mode & others:
        return "every user of this machine"
    # A group that lets this process read what is another's: `root:inbox-watcher 0640`.
    ours = does == "read" and status.st_uid != os.geteuid() and status.st_gid in _groups()
    if status.st_mode & group and not ours and not _is_own_group(status.st_gid, status.st_uid):
        return "its whole group"
    return ""


def _groups() -> set[int]:
    return {os.getegid(), *os.getgroups()}


@lru_cache(maxsize=256)
def _is_own_group(group: int, owner: int) -> bool:
    """Return whether nobody but the owner is known to be in a group."""
    try:
        found = grp.getgrgid(group)
    except KeyError:
        return True  # an id without a name, as containers have them
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        return False
    return found.gr_name == name and not set(found.gr_mem) - {name}
