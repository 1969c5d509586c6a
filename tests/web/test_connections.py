"""Connections of a listener: bounded, each step of a request with a deadline, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from watcher import descriptors
from watcher.web import bind, connections, serve

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SOON = 0.3
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class App:
    """Answers with `size` bytes, once the body is there and `open` is set."""

    def __init__(self, size: int = 2) -> None:
        self.size = size
        self.asked = 0
        self.open = anyio.Event()
        self.open.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        while (await receive()).get("more_body"):
            pass
        await self.open.wait()
        length = str(self.size).encode()
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"o" * self.size})


@contextlib.asynccontextmanager
async def served(app: App, *, once: bool = False) -> AsyncIterator[int]:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await serve(app, listener, once=once)

        tasks.start_soon(run)
        yield port
        tasks.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def connected(port: int, many: int = 1, said: bytes = b"") -> AsyncIterator[list[Peer]]:
    peers = []
    for _ in range(many):
        peers.append(await asyncio.open_connection("127.0.0.1", port))
        peers[-1][1].write(said)
        await asyncio.sleep(0)
    try:
        yield peers
    finally:
        for _, writer in peers:
            writer.transport.abort()


async def answer(peer: Peer) -> bytes:
    """Return the head of the next answer; empty where the server ended the connection."""
    try:
        async with asyncio.timeout(10):
            head = await peer[0].readuntil(b"\r\n\r\n")
            await peer[0].readexactly(2)
            return head
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def ended(peer: Peer) -> None:
    """Wait until the server has ended a connection."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while await peer[0].read(65536):
                pass


async def living(peers: list[Peer]) -> int:
    """Return over how many the server still answers."""
    for _, writer in peers:
        writer.write(ASK)
    return sum([bool(await answer(peer)) for peer in peers])


async def test_who_asks_at_once_is_answered_beside_hundreds_that_say_nothing() -> None:
    async with served(App()) as port, connected(port, 300, b"") as silent:
        for _ in range(3):
            async with connected(port, 1, ASK) as (peer,):
                assert (await answer(peer)).startswith(b"HTTP/1.1 200")
        assert 0 < await living(silent) <= connections.MOST


async def test_what_is_being_answered_keeps_its_place_and_the_newcomer_goes() -> None:
    app = App()
    app.open = anyio.Event()
    async with served(app) as port, connected(port, connections.MOST, ASK) as asking:
        with anyio.fail_after(10):
            while app.asked < connections.MOST:  # noqa: ASYNC110 - it counts what came
                await anyio.sleep(0.01)
        async with connected(port, 5, ASK) as newcomers:
            for peer in newcomers:
                assert await answer(peer) == b""
        app.open.set()
        assert all([await answer(peer) for peer in asking])
    assert app.asked == connections.MOST


@pytest.mark.parametrize("step", ["idle", "body", "taking"])
async def test_a_step_that_trickles_ends_at_its_deadline(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert max(connections._WITHIN.values()) <= 30
    monkeypatch.setitem(connections._WITHIN, step, SOON)
    said = {
        "idle": b"GET / HTTP/1.1\r\nX: ",
        "body": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n",
        "taking": ASK,  # of an answer that no buffer of the system holds, and nobody reads
    }
    app = App(2 if step != "taking" else 50_000_000)
    async with served(app) as port, connected(port, 1, said[step]) as (peer,):
        began = anyio.current_time()

        async def trickle() -> None:
            with contextlib.suppress(ConnectionError):
                while not peer[1].is_closing():
                    peer[1].write(b"a")
                    await peer[1].drain()
                    await anyio.sleep(SOON / 10)

        async with anyio.create_task_group() as tasks:
            if step == "taking":
                await anyio.sleep(2 * SOON)  # reads nothing meanwhile
                received = 0
                with contextlib.suppress(ConnectionError):
                    while part := await peer[0].read(1_000_000):
                        received += len(part)
                assert received < app.size
            else:
                tasks.start_soon(trickle)
                await ended(peer)
                assert anyio.current_time() - began < 10 * SOON
            tasks.cancel_scope.cancel()


async def test_a_second_header_has_no_more_time_than_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connections._WITHIN, "idle", SOON)
    async with served(App()) as port, connected(port, 1, ASK) as (peer,):
        assert await answer(peer)
        peer[1].write(ASK[:-2])
        began = anyio.current_time()
        await ended(peer)
        assert anyio.current_time() - began < 10 * SOON


@pytest.mark.parametrize("once", [True, False])
async def test_a_probe_gets_one_answer_over_a_connection_and_others_as_many_as_they_want(
    once: bool,
) -> None:
    app = App()
    async with served(app, once=once) as port, connected(port, 1, ASK + ASK) as (peer,):
        first = await answer(peer)
        assert (b"connection: close" in first) is once
        assert bool(await answer(peer)) is not once
    assert app.asked == 2 - once


async def test_while_descriptors_are_scarce_a_listener_keeps_few() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with served(App()) as port:
        probe = os.dup(0)
        os.close(probe)
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe + descriptors.SPARE, hard))
        try:
            async with connected(port, 12) as silent:
                async with connected(port, 1, ASK) as (peer,):
                    assert await answer(peer)
                assert 0 < await living(silent) <= connections.FEW
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_who_has_asked_before_it_was_taken_is_answered_however_many_come_with_it() -> None:
    app, most = App(), connections.MOST
    async with served(app) as port:
        before, asking, after = (
            connected(port, most),
            connected(port, 1, ASK),
            connected(port, most),
        )
        async with before, asking as (peer,), after:
            assert await answer(peer)
    assert app.asked == 1
