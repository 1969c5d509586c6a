"""The network: the only code that speaks HTTP to the outside, and the one import point of httpx.

Rules: one HTTP client for each host that sources watch and for each webhook receiver; request budgets are
shared. What an answer *means* is decided by providers and notifiers.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from watcher.addresses import EVERYWHERE, AddressFilter
from watcher.clock import Clock
from watcher.settings.link import USUAL, Link
from watcher.transport.budget import Budgets
from watcher.transport.clients import CONNECT_TIMEOUT, App, Clients
from watcher.transport.sources import DEADLINE, LARGEST_PAGE, Connection, SourceClient
from watcher.transport.webhooks import WebhookClient

__all__ = [
    "DEADLINE",
    "LARGEST_PAGE",
    "Connection",
    "SourceClient",
    "Transport",
    "WebhookClient",
    "name_resolution_hangs",
    "prepare_loop",
]

RESOLVERS = 64
RESOLVER = "inbox-watcher-resolve"


class Transport:
    """Opens the clients of sources and receivers; an asynchronous context manager.

    `mount` puts ASGI applications in the place of origins (keys like `http://chat.example.com`);
    an application that raises an OSError stands for a connection that fails.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        mount: Mapping[str, App] | None = None,
        addresses: AddressFilter = EVERYWHERE,
    ) -> None:
        self._clock = clock
        self._budgets = Budgets()
        self._clients = Clients(mount)
        self.addresses = addresses

    @property
    def addresses(self) -> AddressFilter:
        """Which addresses may be connected to; another filter counts from the next request on."""
        return self._clients.addresses

    @addresses.setter
    def addresses(self, addresses: AddressFilter) -> None:
        self._clients.addresses = addresses

    @property
    def waited(self) -> Mapping[str, float]:
        """Seconds that requests have waited for their budget so far, by `Budget.key`."""
        return self._budgets.waited

    @property
    def left(self) -> Mapping[str, int]:
        """Requests that providers said are left, by `Budget.key`."""
        return self._budgets.left

    def source(self, connection: Connection) -> SourceClient:
        """Return a client for one source."""
        client = self._clients.share(connection.link, connection.base_url)
        return SourceClient(connection, client, self._budgets, self._clock)

    def webhook(
        self, link: Link = USUAL, connect_timeout: float = CONNECT_TIMEOUT
    ) -> WebhookClient:
        """Return a client for one webhook receiver."""
        return WebhookClient(self._clients.open(link), connect_timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._clients.aclose()


def prepare_loop() -> None:
    """Provide the running loop with enough threads to resolve host names.

    asyncio resolves in its default executor, which has six threads on two cores: six names that
    hang in DNS would delay every healthy host.
    """
    asyncio.get_running_loop().set_default_executor(
        _Resolvers(RESOLVERS, thread_name_prefix=RESOLVER)
    )


def name_resolution_hangs() -> bool:
    """Return whether a thread still waits for DNS; at exit the interpreter would wait for it, for as
    long as the resolver takes.
    """
    return any(thread.name.startswith(RESOLVER) for thread in threading.enumerate())


class _Resolvers(ThreadPoolExecutor):
    """An executor that a loop does not wait for when it ends, since a DNS query cannot be cancelled."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)
