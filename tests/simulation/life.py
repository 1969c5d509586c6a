"""The process's life: it may end before or after any call of the store, or at any other moment.

Rules: who is dead does nothing any more. Every call of a dead process waits for ever, and the
cancellation that follows finds nothing to write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import anyio

from watcher.records import Commit
from watcher.store.sqlite import SqliteStore

__all__ = ["TELLING", "Life", "MortalStore"]

TELLING = "a commit of events"


class Life:
    """One process. `ends` asks before and after each call whether it dies there."""

    def __init__(self, number: int, ends: Callable[[str], bool]) -> None:
        self.number = number
        self.dead = False
        self.cause = ""
        self.ended = anyio.Event()
        self._ends = ends

    async def moment(self, where: str) -> None:
        """Live through this moment, or die in it."""
        if not self.dead and self._ends(where):
            self.die(where)
        if self.dead:
            await self.rest()

    def die(self, cause: str) -> None:
        """End here."""
        if not self.dead:
            self.dead, self.cause = True, cause
            self.ended.set()

    async def rest(self) -> NoReturn:
        """Do nothing any more."""
        await anyio.sleep_forever()
        raise AssertionError("unreachable")


class MortalStore:
    """The real store, whose user may die around each call; calls go one after the other."""

    def __init__(
        self, store: SqliteStore, life: Life, wrote: Callable[[str, tuple[Any, ...], Any], None]
    ) -> None:
        self._store, self._life, self._wrote = store, life, wrote
        self._turn = anyio.Lock()

    async def lost(self) -> str:
        """Return that the file is in its place: nobody takes it away here, and it is asked for often."""
        return ""

    def writing(self, key: str) -> None:
        """Note whose message is written: at once, as the store does."""
        self._store.writing(key)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            tells = any(isinstance(arg, Commit) and arg.events for arg in args)
            what = TELLING if tells else name
            async with self._turn:
                await self._life.moment(f"before {what}")
                result = await method(*args, **kwargs)
                self._wrote(name, (*args, *kwargs.values()), result)
                await self._life.moment(f"after {what}")
                return result

        return call
