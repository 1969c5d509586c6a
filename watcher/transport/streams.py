"""Connections over which requests cost little: httpcore's own, without what it does over and over.

Rules: moves bytes as httpcore does; changes nothing of what it sends, waits for or raises.
"""

from __future__ import annotations

import select
import sys
from importlib.util import find_spec
from typing import Any

from httpcore import AnyIOBackend, AsyncNetworkStream

__all__ = ["SocketBackend"]

# httpcore looks for this package several times in each request, to find out which loop runs. To look for one
# that is not installed reads every folder of the path, 0.2 ms each time; without it, it takes asyncio.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # the import system's own mark


class SocketBackend(AnyIOBackend):
    """Makes connections of which it costs little to ask whether the other side has closed them."""

    async def connect_tcp(self, *args: Any, **options: Any) -> AsyncNetworkStream:
        """Connect to a host."""
        return _Stream(await super().connect_tcp(*args, **options))


class _Stream(AsyncNetworkStream):
    """A connection. The pool asks each idle one several times in each request whether it can be read, and
    anyio looks up all that it knows of a socket for that, the peer's address, too.
    """

    def __init__(self, inner: AsyncNetworkStream) -> None:
        self._inner = inner
        self._socket = inner.get_extra_info("socket")
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN)
        self.read = inner.read  # type: ignore[method-assign]
        self.write = inner.write  # type: ignore[method-assign]
        self.aclose = inner.aclose  # type: ignore[method-assign]

    async def start_tls(self, *args: Any, **options: Any) -> AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(*args, **options))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._socket.fileno() < 0 or bool(self._poll.poll(0))
        return self._inner.get_extra_info(info)
