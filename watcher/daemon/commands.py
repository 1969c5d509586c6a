"""What commands may do to a running daemon: the part of it that the control socket calls.

Law: passes on; what is decided is decided by pollers, dispatchers and the store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from watcher.clock import Clock
from watcher.conditions import ExpressionError
from watcher.daemon.watchdog import Watchdog
from watcher.dispatcher import Dispatcher
from watcher.dispatcher.silencing import Silencing, acknowledge
from watcher.model import rfc3339
from watcher.poller import Network, SourcePoller
from watcher.poller.demand import Share, shares, tell
from watcher.store import Store
from watcher.store.retrying import Retrier

__all__ = ["Commands"]


class Commands:
    """A part of `watcher.daemon.Daemon`. Implements `control.Control`."""

    store: Store
    pollers: dict[str, SourcePoller]
    dispatchers: dict[str, Dispatcher]
    network: Network
    silencing: Silencing
    watchdog: Watchdog
    _clock: Clock
    _retrier: Retrier

    def sources(self) -> list[dict[str, Any]]:
        """Tell how each source stands."""
        sharing = self._shares()
        return [
            {**poller.status(), "plan": tell(name, sharing.get(name))}
            for name, poller in self.pollers.items()
        ]

    def _shares(self) -> Mapping[str, Share]:
        """Give the budget that each source shares with others, as far as providers say what they
        cost.
        """
        demands = (poller.demand() for poller in self.pollers.values())
        return {
            demand.source: share
            for share in shares(demand for demand in demands if demand is not None)
            for demand in share.demands
        }

    def store_failing(self) -> Mapping[str, Any] | None:
        """Tell what keeps the store from working, None if nothing does."""
        trouble = self._retrier.trouble
        if trouble is None:
            return None
        since = rfc3339(trouble.since)
        return {"since": since, "reason": trouble.reason, "remedy": trouble.remedy}

    def stuck(self) -> list[dict[str, Any]]:
        """Tell which loops do not move."""
        return [one.plain() for one in self.watchdog.stuck]

    def status(self) -> Mapping[str, Any]:
        """Tell how everything stands."""
        return {
            "sources": self.sources(),
            "receivers": [one.status() for one in self.dispatchers.values()],
            "network_failing": self.network.failing,
            "store_failing": self.store_failing(),
            "stuck": self.stuck(),
        }

    async def retry(self, ids: Collection[str] | None) -> int:
        """Make dead deliveries pending again."""
        count = await self.store.retry(ids, self._clock())
        for dispatcher in self.dispatchers.values():
            await dispatcher.probe()
        return count

    async def add_silence(self, match: str, reason: str, ends: datetime) -> str:
        """Stop what matches from now until then."""
        try:
            return await self.silencing.add(match, reason, ends)
        except ExpressionError as failure:
            raise ValueError(failure.message) from None

    async def expire_silence(self, silence: str) -> bool:
        """End a silence now."""
        return await self.silencing.expire(silence)

    async def silences(self) -> Sequence[Mapping[str, Any]]:
        """Tell of every silence, configured or added."""
        return await self.silencing.listing()

    async def acknowledge(self, conversation: str, source: str | None) -> int:
        """Somebody has seen to a conversation: `for` and `repeat` about it end."""
        if source is not None and source not in self.pollers:
            raise KeyError(f"source {source}")
        return await acknowledge(self.store, conversation, source, self._clock())

    async def release(self, source: str, *, accept: bool) -> bool:
        """Decide about a held sweep."""
        poller = self.pollers.get(source)
        if poller is None:
            raise KeyError(f"source {source}")
        return await poller.release(accept=accept)

    async def turn_on(self, receiver: str) -> None:
        """Send to a receiver again that was turned off."""
        dispatcher = self.dispatchers.get(receiver)
        if dispatcher is None:
            raise KeyError(f"receiver {receiver}")
        await dispatcher.turn_on()
