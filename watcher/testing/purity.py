"""A guard for code that must be pure: it reports what reads a clock, draws chance or does I/O.

Rules: watches through the interpreter's profiling hook, so calls made by C code are not seen, and a
profiler or debugger does not work meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from types import FrameType
from typing import Any

__all__ = ["watch_purity"]

BUILT_IN = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
             "process_time", "localtime", "sleep"},
    "posix": {"open", "read", "write", "stat", "lstat", "listdir", "scandir", "urandom", "getrandom",
              "system", "fork"},
    "io": {"open"},
    "_io": {"open", "open_code"},
    "_socket": {"getaddrinfo", "gethostbyname", "socketpair"},
}  # fmt: skip
"""Functions written in C that reach out of the process or read a clock, by module."""

IN_PYTHON = (
    "asyncio",
    "http.client",
    "random",
    "secrets",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
)
"""Modules of the standard library in which no call is pure; packages with their modules."""


@contextmanager
def watch_purity() -> Iterator[list[str]]:
    """Return the list to which each impure call inside the block is added by name."""
    found: list[str] = []

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call" and (name := _impure(arg)):
            found.append(name)
        elif event == "call":
            module = str(frame.f_globals.get("__name__"))
            if any(module == one or module.startswith(f"{one}.") for one in IN_PYTHON):
                found.append(f"{module}.{frame.f_code.co_qualname}")

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield found
    finally:
        sys.setprofile(before)


def _impure(function: Any) -> str | None:
    """Return the name of a function of C that is not pure, else None."""
    owner, name = getattr(function, "__self__", None), str(getattr(function, "__name__", ""))
    if isinstance(owner, type) and issubclass(owner, date):
        # `fromtimestamp` and the like compute; these three read the clock.
        return f"datetime.{name}" if name in ("now", "today", "utcnow") else None
    module = str(getattr(function, "__module__", ""))
    return f"{module}.{name}" if name in BUILT_IN.get(module, ()) else None
