"""Who acts by a command.

Rules: the login name, as far as the system knows one; nobody is asked.
"""

from __future__ import annotations

import getpass

from watcher.records import Actor

__all__ = ["actor", "login"]


def login() -> str:
    """Return the login name; empty for a container's user without one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def actor() -> Actor:
    """Return who acts."""
    return Actor(login())
