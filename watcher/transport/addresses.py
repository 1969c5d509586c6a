"""Connections to permitted addresses alone: names are resolved here, judged, and connected to as resolved.

Rules: what is judged is what is connected to, so a name that resolves to something else a moment later
changes nothing. Behind a proxy the proxy resolves: what this machine makes of the name is judged.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

import anyio
from httpcore import AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from watcher.addresses import AddressFilter
from watcher.transport.streams import SocketBackend

__all__ = ["REMEDY", "AddressDenied", "FilteringBackend", "judge_name"]

REMEDY = "check the address, or except it with `network: {allow: […]}`"


class AddressDenied(OSError):
    """The configuration denies the address that a name was resolved to. Its text is for people."""


def _denied(host: str, address: str, by: str) -> AddressDenied:
    shown = address if address == host else f"{host} ({address})"
    return AddressDenied(f"`network.deny` forbids connections to {shown}: {by}")


async def _resolve(host: str, port: int) -> tuple[str, ...]:
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


async def judge_name(host: str, port: int, addresses: AddressFilter) -> None:
    """Raise AddressDenied where a name, which somebody else will resolve, leads to a denied address."""
    try:
        resolved = await _resolve(host, port)
    except OSError:
        return  # a name that only the proxy knows
    for address in resolved:
        if by := addresses.refusal(address):
            raise _denied(host, address, by)


class FilteringBackend(AsyncNetworkBackend):
    """Connects as httpcore does, to permitted addresses."""

    def __init__(self, addresses: Callable[[], AddressFilter]) -> None:
        self._addresses = addresses
        self._inner = SocketBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first permitted address that answers; raise AddressDenied if there is none."""
        rest: tuple[Any, ...] = (timeout, local_address, socket_options)
        addresses = self._addresses()
        if not addresses.deny:
            return await self._inner.connect_tcp(host, port, *rest)
        try:
            with anyio.fail_after(timeout):
                resolved = await _resolve(host, port)
        except (OSError, TimeoutError) as error:
            raise ConnectError(str(error)) from error
        judged = [(each, addresses.refusal(each)) for each in resolved]
        permitted = [each for each, by in judged if not by]
        if not permitted:
            raise _denied(host, *judged[0])
        for each in permitted[:-1]:
            try:
                return await self._inner.connect_tcp(each, port, *rest)
            except ConnectError:
                continue
        return await self._inner.connect_tcp(permitted[-1], port, *rest)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to a socket of this machine."""
        return await self._inner.connect_unix_socket(path, timeout, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait between two attempts."""
        await self._inner.sleep(seconds)
