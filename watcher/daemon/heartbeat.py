"""The heartbeat: says to somebody outside that the daemon works, for as long as it does.

Rules: a loop of the daemon's own, which dies with it; it never goes through receivers, whose failure it is to
outlive. One request at a time, bounded in time and bytes, never repeated: the next one is due soon. While the
first pass is under way nothing is said, neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import anyio
import structlog

from watcher.clock import Clock, loop_time
from watcher.daemon.slices import in_slices
from watcher.metrics.series import Number
from watcher.settings.heartbeat import Heartbeat
from watcher.transport import Transport, WebhookClient
from watcher.web import Freshness

__all__ = ["HeartbeatLoop", "Pulse"]

TIMEOUT = 10.0
"""Seconds that a request may take, and no longer than the interval."""

State = Literal["well", "starting", "unwell"]


class Pulse:
    """Finds out whether the daemon works, as `/readyz` and `/healthz` do."""

    def __init__(
        self,
        looks: Callable[[], Iterable[Freshness]],
        store_failing: Callable[[], Mapping[str, Any] | None],
        stuck: Callable[[], Sequence[Mapping[str, Any]]],
    ) -> None:
        self._looks = looks
        self._store_failing = store_failing
        self._stuck = stuck

    async def take(self, when: Literal["ready", "alive"]) -> tuple[State, str]:
        """Return how it is, and why it is unwell: no names, no texts of others."""
        if stuck := self._stuck():
            return "unwell", f"{len(stuck)} loops do not move"
        trouble = self._store_failing()
        if trouble is not None and (trouble["lost"] or when == "ready"):
            return "unwell", "the store is gone" if trouble["lost"] else "the store fails"
        if when == "alive":
            return "well", ""
        count = stale = 0
        async for one in in_slices(self._looks()):
            if not one.attempted:
                return "starting", ""
            count += 1
            stale += one.stale
        if count and stale == count:
            return "unwell", f"none of {count} sources is read"
        return "well", ""


class HeartbeatLoop:
    """Sends what `heartbeat:` asks for, until cancelled."""

    def __init__(
        self,
        settings: Callable[[], Heartbeat | None],
        pulse: Pulse,
        transport: Transport,
        clock: Clock,
        taken: Number,
    ) -> None:
        self._settings = settings
        self._pulse = pulse
        self._transport = transport
        self._clock = clock
        self._taken = taken
        self._changed = anyio.Event()
        self._failing = False
        self._log = structlog.get_logger()

    def look_again(self) -> None:
        """Take another configuration up."""
        self._changed.set()

    async def run(self) -> None:
        """Send, until cancelled; where none is configured, wait until one is."""
        while True:
            self._changed = anyio.Event()
            settings = self._settings()
            if settings is None:
                await self._changed.wait()
                continue
            client = self._transport.webhook(settings.link_with(1))
            try:
                await self._beat_until_changed(settings, client)
            finally:
                with anyio.CancelScope(shield=True):
                    await client.aclose()

    async def _beat_until_changed(self, settings: Heartbeat, client: WebhookClient) -> None:
        every = settings.every.total_seconds()
        while not self._changed.is_set():
            due = loop_time() + every
            await self._beat(settings, client, min(TIMEOUT, every))
            with anyio.move_on_after(max(0.0, due - loop_time())):
                await self._changed.wait()

    async def _beat(self, settings: Heartbeat, client: WebhookClient, timeout: float) -> None:
        state, reason = await self._pulse.take(settings.when)
        if state == "starting" or (state == "unwell" and not settings.fail):
            return
        try:
            if state == "well":
                reply = await client(
                    settings.url.read(), content=b"", headers={}, timeout=timeout, method="GET"
                )
            else:
                content, headers = reason.encode(), {"content-type": "text/plain; charset=utf-8"}
                url = failed(settings.url.read())
                reply = await client(url, content=content, headers=headers, timeout=timeout)
        except OSError as error:  # the token's file, or no descriptor is left
            self._note(error.strerror or type(error).__name__)
            return
        if reply.error or not 200 <= reply.status < 300:
            self._note(reply.error or f"HTTP {reply.status}")
            return
        if self._failing:
            self._failing = False
            self._log.info("the heartbeat is taken again")
        if state == "well":
            self._taken.set(self._clock().timestamp())

    def _note(self, reason: str) -> None:
        if not self._failing:
            self._failing = True
            self._log.warning("the heartbeat is not taken", reason=reason)


def failed(url: str) -> str:
    """Return the address that hears of failures: a path below, before any query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))
