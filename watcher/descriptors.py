"""The descriptors of this process: how many it may have, and what a want of them looks like.

Rules: to have none left is a trouble that passes. The last ones are for the store, secrets and our own
requests: whoever takes connections from outside leaves them alone (`scarce`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import sys

from watcher.errors import causes

__all__ = [
    "ADVICE",
    "REASON",
    "SPARE",
    "limit",
    "none_left",
    "raise_limit",
    "reachable",
    "scarce",
    "spent",
]

SPARE = 48
"""Descriptors that connections from outside leave for everything else."""

AT_ONCE = 4
"""Files that SQLite opens at once: the store, its log, what both share, and their folder."""

ADVICE = "raise its limit of open files: `LimitNOFILE` (systemd), `ulimits` (Compose), `ulimit -n`"
"""What a person can do."""

REASON = "this process has no descriptor left"
"""Why something could not be tried."""

_SPENT = (errno.EMFILE, errno.ENFILE)


def raise_limit() -> None:
    """Raise the limit of this process, and of those that it starts, as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int:
    """Return how many descriptors this process may have now; others can change that at any time."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def reachable() -> int:
    """Return how many it may have once `raise_limit` has raised the limit."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def scarce(descriptor: int) -> bool:
    """Return whether a new descriptor is one of the last: the system always takes the lowest."""
    return descriptor >= limit() - SPARE


def none_left() -> bool:
    """Return whether there are too few descriptors now for a library that opens several files at once."""
    opened: list[int] = []
    try:
        while len(opened) < AT_ONCE:
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in _SPENT
    finally:
        for one in opened:
            os.close(one)
    return False


def spent(error: BaseException | None) -> bool:
    """Return whether a want of descriptors is why something failed, here or in what it was raised from."""
    for one in causes(error):
        if isinstance(one, OSError) and one.errno in _SPENT:
            return True
        # The resolver reads files and opens sockets, and says of either only that there is no name.
        if isinstance(one, socket.gaierror) and none_left():
            return True
    return False


def _number(found: int) -> int:
    return sys.maxsize if found == resource.RLIM_INFINITY else found
