"""One connection of our own: it reads what httpx's transport reads, however the bytes arrive."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import httpx  # noqa: TID251 - compared with httpx's own transport
import pytest
from httpcore import AnyIOBackend, AsyncMockBackend, AsyncMockStream
from hypothesis import given
from hypothesis import strategies as st

from watcher.transport.clients import AnyTransport, Lane
from watcher.transport.direct import DirectTransport, Reply
from watcher.transport.requests import template_for

pytestmark = pytest.mark.anyio

CONTEXT = ssl.create_default_context()

WHOLE = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\na",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
    b'HTTP/1.1 304 Not Modified\r\nETag: W/"a"\r\n\r\n',
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 500 Internal Server Error\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 429 \r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 30_000 + b"\r\nContent-Length: 0\r\n\r\n",
]
BROKEN = [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Len",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"<html>no HTTP at all</html>",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 9_000,
]

Answer = tuple[int, dict[str, str], bytes]
ADDRESS = "http://chat.example"


async def asked(transport: AnyTransport, *, most: int = 2**20) -> Answer | type[Exception]:
    """Return what comes of one request: the answer, or the kind of error."""
    template, reply = template_for(ADDRESS), Reply()
    request = template.ask("GET", "/list", [("page", "1")], {})
    try:
        await Lane(transport).exchange(request, reply, connect=5.0, read=5.0, most=most)
    except httpx.TransportError as error:
        return type(error)
    return reply.status, reply.headers, bytes(reply.body)


def ours(backend: Any) -> DirectTransport:
    return DirectTransport(CONTEXT, backend, keepalive=90.0)


def theirs(backend: Any) -> httpx.AsyncHTTPTransport:
    transport = httpx.AsyncHTTPTransport(verify=CONTEXT, trust_env=False)
    transport._pool._network_backend = backend
    return transport


@pytest.mark.parametrize("sent", [*WHOLE, *BROKEN], ids=lambda sent: repr(sent[:70]))
async def test_what_a_server_sends_is_read_as_httpx_reads_it(sent: bytes) -> None:
    pieces = [sent[place : place + 4096] for place in range(0, len(sent), 4096)]
    assert await asked(ours(AsyncMockBackend(list(pieces)))) == await asked(
        theirs(AsyncMockBackend(list(pieces)))
    )


@given(st.sampled_from([*WHOLE, *BROKEN[:9]]), st.lists(st.integers(1, 200), max_size=12))
def test_how_the_bytes_arrive_changes_nothing(sent: bytes, lengths: list[int]) -> None:
    pieces, rest = [], sent
    for length in lengths:
        pieces.append(rest[:length])
        rest = rest[length:]
    cut = [piece for piece in [*pieces, rest] if piece]
    whole = anyio.run(partial(asked, ours(AsyncMockBackend([sent] if sent else []))))
    assert anyio.run(partial(asked, ours(AsyncMockBackend(cut)))) == whole


@given(
    st.integers(200, 599),
    st.lists(st.tuples(st.from_regex(r"\AX-[A-Za-z]{1,8}\Z"), st.from_regex(r"\A[!-~]{0,9}\Z"))),
    st.lists(st.binary(min_size=1, max_size=300), max_size=4),
    st.booleans(),
)
def test_every_answer_is_read_as_httpx_reads_it(
    status: int, headers: list[tuple[str, str]], chunks: list[bytes], chunked: bool
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    sent = f"HTTP/1.1 {status} Whatever\r\n{head}".encode()
    if status in (204, 304):
        sent += b"\r\n"
    elif chunked:
        parts = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks)
        sent += b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
    else:
        body = b"".join(chunks)
        sent += b"Content-Length: %d\r\n\r\n" % len(body) + body
    mine = anyio.run(partial(asked, ours(AsyncMockBackend([sent]))))
    assert mine == anyio.run(partial(asked, theirs(AsyncMockBackend([sent]))))


class Connections(AsyncMockBackend):
    """Connections whose answers are given, each a list of what is read one after the other."""

    def __init__(self, *answers: list[bytes]) -> None:
        super().__init__([])
        self._answers = list(answers)
        self.made: list[Kept] = []

    async def connect_tcp(self, *_args: Any, **_named: Any) -> AsyncMockStream:
        self.made.append(Kept(self._answers.pop(0)))
        return self.made[-1]


class Kept(AsyncMockStream):
    """A connection that records what is sent, and that the server may end."""

    def __init__(self, answers: list[bytes]) -> None:
        super().__init__(answers)
        self.sent = b""
        self.ended = False

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.sent += buffer

    def get_extra_info(self, info: str) -> Any:
        return self.ended if info == "is_readable" else None

    @property
    def closed(self) -> bool:
        return self._closed


async def test_a_connection_is_kept_for_the_next_request() -> None:
    backend = Connections([WHOLE[0], WHOLE[0]])
    transport = ours(backend)
    assert [await asked(transport), await asked(transport)][1][0] == 200  # type: ignore[index]
    assert len(backend.made) == 1
    assert backend.made[0].sent.count(b"GET /list?page=1 HTTP/1.1\r\nHost: chat.example\r\n") == 2
    await transport.aclose()
    assert backend.made[0].closed


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        WHOLE[0] + b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsmuggled!",
        WHOLE[0] + b"x",
    ],
)
async def test_a_connection_is_closed_whose_end_or_excess_is_known(first: bytes) -> None:
    backend = Connections([first], [WHOLE[0]])
    transport = ours(backend)
    await asked(transport)
    assert backend.made[0].closed
    assert await asked(transport) == (200, {"content-length": "2"}, b"{}")


async def test_what_the_server_has_ended_meanwhile_is_replaced() -> None:
    backend = Connections([WHOLE[0]], [WHOLE[0]])
    transport = ours(backend)
    await asked(transport)
    backend.made[0].ended = True
    assert await asked(transport) == (200, {"content-length": "2"}, b"{}")
    assert len(backend.made) == 2


async def test_an_answer_that_is_not_read_to_its_end_costs_its_connection() -> None:
    backend = Connections([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"])
    await asked(ours(backend), most=2)
    assert backend.made[0].closed


@pytest.mark.parametrize("value", ["token\r\nX: b", "token\nb", "token\0", " token", "token "])
async def test_no_header_is_sent_that_could_be_read_as_another(value: str) -> None:
    backend, request = Connections([WHOLE[0]]), template_for(ADDRESS)
    with pytest.raises(httpx.LocalProtocolError) as refused:
        await Lane(ours(backend)).exchange(
            request.ask("GET", "/", [], {"x-token": value}), Reply(), connect=5.0, read=5.0, most=9
        )
    assert not backend.made
    assert "token" not in str(refused.value)


@asynccontextmanager
async def serving(serve: Callable[[Any], Any]) -> AsyncIterator[str]:
    """Serve connections on loopback with `serve`; yield the address."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            yield f"http://127.0.0.1:{port}/"
            tasks.cancel_scope.cancel()


async def sent(url: str, *, read: float, body: bytes = b"") -> Reply:
    transport, reply = ours(AnyIOBackend()), Reply()
    try:
        template = template_for(url)
        request = template.send("POST", template.url.raw_path, {}, body)
        await Lane(transport).exchange(request, reply, connect=5.0, read=read, most=100)
        return reply
    finally:
        await transport.aclose()


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def silent(stream: Any) -> None:
        async with stream:
            await anyio.sleep_forever()

    async with serving(silent) as url:
        with pytest.raises(httpx.ReadTimeout):
            await sent(url, read=0.05)


async def test_an_answer_before_the_request_was_read_counts() -> None:
    """Such is a 413."""

    async def refuses(stream: Any) -> None:
        async with stream:
            await stream.receive(100)
            await stream.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")

    async with serving(refuses) as url:
        answer = await sent(url, read=5.0, body=b"x" * 200_000)
    assert (answer.status, bytes(answer.body)) == (413, b"no")
