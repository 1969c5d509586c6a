"""How much work something is, by the steps of the interpreter that it takes: no clock disturbs the count."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["async_steps", "steps"]


@contextmanager
def _counting() -> Iterator[list[int]]:
    count = [0]

    def trace(frame: Any, event: str, _argument: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count[0] += event in ("call", "opcode")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


def steps(work: Callable[[], Any]) -> int:
    """Return how many steps some work takes, loops and comprehensions included."""
    with _counting() as count:
        work()
    return count[0]


async def async_steps(work: Callable[[], Awaitable[Any]]) -> int:
    """Return the same of work that awaits; what other threads do meanwhile is not counted."""

    with _counting() as count:
        await work()
    return count[0]
