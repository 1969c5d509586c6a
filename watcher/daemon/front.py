"""The two doors of the API: the control socket, whose owner is the operator, and TCP, whose entrance finds
out who asks.

Rules: the application, its models and the connection that it reads by are made when somebody asks for the
first time; a daemon that nobody asks has none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread

from watcher import web
from watcher.clock import Clock
from watcher.control import DaemonControl, Reload
from watcher.daemon import Daemon
from watcher.feed import Feed
from watcher.store.address import StoreAddress

if TYPE_CHECKING:
    from watcher.api.entrance import Entrance
    from watcher.archive import Archive
    from watcher.explain.question import Configured

__all__ = ["READ_STEPS", "Front", "api_path"]

READ_STEPS = 20_000_000
"""Steps of SQLite that a question may take: some tenths of a second."""

OURS = ("/api/", "/openapi.json", "/asyncapi.json", "/schema/", "/problems/")
"""How the addresses begin that the API answers."""

Door = Literal["tcp", "control"]
What = Literal["api", "pages"]


class Front:
    """Stands before a daemon, as `watcher.api.Backend`."""

    def __init__(self, daemon: Daemon, reload: Reload, address: StoreAddress, clock: Clock) -> None:
        self._daemon = daemon
        self._reload = reload
        self._address = address
        self._clock = clock
        self._archive: Archive | None = None
        self._entrance: Entrance | None = None
        self._apps: dict[What, Any] = {}
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
        """Use the present configuration from now on."""
        return await self._reload()

    def door(self, app: Any, door: Door) -> Any:
        """Return an application that has the API beside what `app` answers."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and (path := api_path(scope)) is not None:
                scope, app_ = {**scope, "path": path}, await self._app("api")
                await self._let_in(app_, door)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return answer

    async def pages(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request over TCP for a page."""
        await self._let_in(await self._app("pages"), "tcp")(scope, receive, send)

    def configured(self) -> Configured:
        """Return what of the present configuration decides who is told."""
        from watcher.daemon.asked import configured

        return configured(self._daemon.config)

    def zone(self) -> ZoneInfo | None:
        """Return the zone in which times are shown."""
        return self._daemon.config.timezone

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

    async def _app(self, what: What) -> Any:
        async with self._opening:
            if what not in self._apps:
                # Models and templates take some tens of milliseconds, which the loop should not wait for.
                self._apps[what] = await anyio.to_thread.run_sync(self._made, what)
            return self._apps[what]

    def _made(self, what: What) -> Any:
        if what == "pages":
            from watcher.pages import create_pages

            return web.naming(create_pages(self))
        from watcher.api import create_api

        return web.naming(create_api(self))

    def _let_in(self, app: Any, door: Door) -> Any:
        """Return an application that knows who comes through a door."""
        from watcher.api.access import OWNER, asked_by
        from watcher.api.entrance import Entrance

        if door == "control":
            return asked_by(app, OWNER)
        if self._entrance is None:
            daemon = self._daemon
            self._entrance = Entrance(
                lambda: daemon.config.server,
                daemon.store.key,
                daemon.entry_keys.redeem,
                self._clock,
            )
        return self._entrance.guard(app)


def api_path(scope: Mapping[str, Any]) -> str | None:
    """Return the path of what is asked of the API, None for everything else. `/events` is a page for
    people; whoever accepts JSON or a stream alone gets that.
    """
    path: str = scope["path"]
    if path.startswith(OURS):
        return path
    if path != "/events" or scope["method"] not in ("GET", "HEAD"):
        return None
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    if b"text/html" in accepted:
        return None
    if b"text/event-stream" in accepted:
        return "/api/v1/events/stream"
    return "/api/v1/events" if b"json" in accepted else None
