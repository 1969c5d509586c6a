"""Real services' names, answered on loopback: a CONNECT proxy in the environment, and an authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.support.loopback import Script, Served, serving

__all__ = ["intercepting"]


@asynccontextmanager
async def intercepting(
    monkeypatch: pytest.MonkeyPatch, folder: Path, said: Script | bytes, *hosts: str
) -> AsyncIterator[Served]:
    """Answer in the place of these hosts, for all processes started from now on."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    connected: set[str] = set()

    async def relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65536):
                target.write(chunk)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        connected.add(request.split()[1].decode().partition(":")[0])
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        there = await asyncio.open_connection("127.0.0.1", served.port)
        await asyncio.gather(relay(reader, there[1]), relay(there[0], writer))
        await asyncio.gather(there[1].wait_closed(), writer.wait_closed(), return_exceptions=True)

    async with (
        serving(said, tls=context) as served,
        await asyncio.start_server(proxy, "127.0.0.1", 0) as entrance,
    ):
        port = entrance.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
        yield served
    assert connected == set(hosts)
