"""The two doors of the API: the control socket, whose owner is the operator, and TCP, where nobody has
signed in.

Rules: the application, its models and the connection that it reads by are made when somebody asks for the
first time; a daemon that nobody asks has none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import anyio
import anyio.to_thread

from watcher.clock import Clock
from watcher.control import DaemonControl, Reload
from watcher.daemon import Daemon
from watcher.feed import Feed
from watcher.store.address import StoreAddress

if TYPE_CHECKING:
    from watcher.archive import Archive
    from watcher.explain.question import Configured

__all__ = ["READ_STEPS", "Front"]

READ_STEPS = 20_000_000
"""Steps of SQLite that a question may take: some tenths of a second."""

OURS = ("/api/", "/openapi.json", "/problems/")
"""How the addresses begin that the API answers."""

Door = Literal["anybody", "operator"]


class Front:
    """Stands before a daemon, as `watcher.api.Backend`."""

    def __init__(self, daemon: Daemon, reload: Reload, address: StoreAddress, clock: Clock) -> None:
        self._daemon = daemon
        self._reload = reload
        self._address = address
        self._clock = clock
        self._archive: Archive | None = None
        self._apps: dict[Door, Any] = {}
        self._opening = anyio.Lock()

    @property
    def control(self) -> DaemonControl:
        """What can be done."""
        return self._daemon

    @property
    def feed(self) -> Feed:
        """What wakes whoever follows the log."""
        return self._daemon.feed

    def now(self) -> datetime:
        """Return the present time."""
        return self._clock()

    async def reload(self) -> Mapping[str, Any]:
        """Take up the present configuration."""
        return await self._reload()

    def door(self, app: Any, who: Door) -> Any:
        """Return an application that has the API beside what `app` answers."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            asked = scope["type"] == "http" and scope["path"].startswith(OURS)
            await (await self._app(who) if asked else app)(scope, receive, send)

        return answer

    def configured(self) -> Configured:
        """Return what of the present configuration decides who is told."""
        from watcher.daemon.asked import configured

        return configured(self._daemon.config)

    async def archive(self) -> Archive:
        """Return the reading side; raise StoreError."""
        async with self._opening:
            if self._archive is None:
                from watcher.archive import Archive

                daemon = self._daemon
                store = await self._address.open_reader(steps=READ_STEPS)
                self._archive = Archive(
                    store,
                    lambda: daemon.config.rules,
                    lambda: daemon.config.silences,
                    lambda: daemon.config.timezone,
                )
            return self._archive

    async def close(self) -> None:
        """End what follows the log, and close the connection."""
        self.feed.close()
        if self._archive is not None:
            await self._archive.close()

    async def _app(self, who: Door) -> Any:
        async with self._opening:
            if who not in self._apps:
                # Models take some tens of milliseconds, which the loop should not wait for.
                self._apps[who] = await anyio.to_thread.run_sync(self._made, who)
            return self._apps[who]

    def _made(self, who: Door) -> Any:
        from watcher.api import create_api

        return create_api(self, who)
