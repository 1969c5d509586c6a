"""A loop in virtual time on which threads answer at the same place in every run.

Rules: no callback runs while a thread still owes an answer; so a call that crosses to the store's
threads takes one turn of the loop, however busy the machine is.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from tests.support.virtual_time import JumpLoop

_ANSWERS = frozenset({"asyncio.futures", "aiosqlite.core"})
_PATIENCE = 30.0
"""Real seconds after which a thread that owes an answer is taken for stuck."""


class ExactLoop(JumpLoop):
    """A `JumpLoop` that stands still while a thread works, and is the same every time."""

    def __init__(self) -> None:
        self._posted = 0
        self._bell = threading.Event()
        super().__init__()

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = super().call_soon_threadsafe(callback, *args, context=context)
        if callback.__module__ in _ANSWERS:
            self._posted += 1
            self._bell.set()
        return handle

    def _answered(self, future: asyncio.Future[Any]) -> None:
        super()._answered(future)
        self._posted -= 1

    def _run_once(self) -> None:
        while self._awaited > self._posted:
            if not self._bell.wait(_PATIENCE):
                raise RuntimeError("a thread owes an answer and does not give it")
            self._bell.clear()
        super()._run_once()  # type: ignore[misc]
