"""How the transport asks and posts, against real servers on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.asking import LISTING, TOKEN, Clock, ask, connection
from tests.support.loopback import Served, answer, serving, unused_port
from watcher import __version__
from watcher.control import call_unix
from watcher.errors import SourceUnavailable
from watcher.providers import Quota, Request
from watcher.records import HttpReply
from watcher.transport import Transport


async def test_a_request_is_put_together_from_base_url_path_parameters_and_credentials() -> None:
    async with serving(answer(b'{"a": 1}', "Date: Fri, 20 Nov 2026 09:59:58 GMT")) as served:
        request = Request(
            "/conversations/a b?c",
            params=(("status", "open"), ("q", "ä&b=c"), ("q", "2")),
            headers=(("Version", "2021-07-28"),),
        )
        response = await ask(f"{served.url}/api/v1", request)
    line, *lines = served.requests[0].decode().split("\r\n")
    headers = dict(one.lower().split(": ", 1) for one in lines if one)
    assert line == ("GET /api/v1/conversations/a%20b%3Fc?status=open&q=%C3%A4%26b%3Dc&q=2 HTTP/1.1")
    assert headers["authorization"] == f"bearer {TOKEN}"
    assert headers["version"] == "2021-07-28"
    assert headers["accept"] == "application/json"
    assert headers["accept-encoding"] == "gzip"
    assert headers["user-agent"] == f"inbox-watcher/{__version__}"
    assert (response.status, response.body) == (200, b'{"a": 1}')
    assert response.date == datetime(2026, 11, 20, 9, 59, 58, tzinfo=UTC)
    assert response.received - response.sent == timedelta(seconds=1)
    assert response.headers["content-length"] == "8"


async def test_a_search_is_posted_as_json() -> None:
    async with serving(answer()) as served:
        await ask(served.url, Request("/search", method="POST", json={"filters": ["ä"]}))
    head, _, body = served.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /search HTTP/1.1")
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body) == {"filters": ["ä"]}


@pytest.mark.parametrize("status", ["302 Found", "401 No", "429 Slow", "500 Oh", "204 Empty"])
async def test_every_status_is_an_answer_and_no_redirect_is_followed(status: str) -> None:
    async with serving(answer(b"", "Location: /elsewhere", status=status)) as served:
        response = await ask(served.url)
    assert response.status == int(status[:3])
    assert len(served.requests) == 1


async def test_compressed_answers_are_unpacked() -> None:
    async with serving(answer(gzip.compress(b"[1]"), "Content-Encoding: gzip")) as served:
        assert (await ask(served.url)).body == b"[1]"


@pytest.mark.parametrize("date", ["yesterday", "", "Fri, 99 Nov 2026 09:59:58 GMT"])
async def test_a_date_that_is_none_is_left_out(date: str) -> None:
    async with serving(answer(b"", f"Date: {date}")) as served:
        assert (await ask(served.url)).date is None


async def test_connections_are_kept_and_cookies_are_not() -> None:
    async with (
        serving(answer(b"", "Set-Cookie: session=1")) as served,
        Transport(Clock()) as sender,
    ):
        source = sender.source(connection(served.url))
        for _ in range(3):
            await source.send(LISTING, urgent=True)
    assert served.connections == 1
    assert len(served.requests) == 3
    assert not any(b"cookie" in request.lower() for request in served.requests)


async def test_credentials_are_asked_anew_for_each_request() -> None:
    tokens = iter(("first", "second"))
    async with serving(answer()) as served, Transport(Clock()) as transport:
        to = connection(served.url, credentials=lambda: {"api_access_token": next(tokens)})
        source = transport.source(to)
        await source.send(LISTING, urgent=True)
        await source.send(LISTING, urgent=True)
    assert b"first" in served.requests[0]
    assert b"second" in served.requests[1]


async def test_a_dead_kept_alive_connection_is_replaced_at_once() -> None:
    async def script(served: Served, writer: asyncio.StreamWriter) -> None:
        if len(served.requests) == 2:  # on the kept connection
            writer.close()
        else:
            writer.write(answer())

    async with serving(script) as served, Transport(Clock()) as transport:
        source = transport.source(connection(served.url))
        for _ in range(2):
            response = await source.send(LISTING, urgent=True)
            assert response.status == 200
    assert (served.connections, len(served.requests)) == (2, 3)


async def test_quota_headers_reach_the_budget() -> None:
    async with serving(answer()) as served, Transport(Clock()) as transport:
        to = connection(served.url, quota=lambda response: Quota(0, 3600.0))
        await transport.source(to).send(LISTING, urgent=True)
        with pytest.raises(SourceUnavailable, match="quota") as caught:
            await transport.source(to).send(LISTING, urgent=True)
        assert caught.value.retry_after == pytest.approx(3600.0, abs=1.0)
        assert transport.waited["test"] < 1.0
    assert len(served.requests) == 1


async def test_nothing_secret_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(answer()) as served:
        await ask(served.url)
    assert TOKEN not in caplog.text
    assert "secret-cursor" not in caplog.text


# --- posting


async def post(url: str, *, content: bytes = b"{}", timeout: float = 5.0) -> HttpReply:
    async with Transport(Clock()) as transport:
        return await transport.webhook()(
            url, content=content, headers={"webhook-id": "e1"}, timeout=timeout
        )


async def test_a_post_carries_body_and_headers_and_gives_the_answer() -> None:
    async with serving(answer(b"thanks", "X-Kind: test", status="202 Accepted")) as served:
        got = await post(served.url.replace("//", "//user:word@") + "/hook?k=v", content=b"[]")
    head, _, body = served.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?k=v HTTP/1.1")
    assert b"webhook-id: e1" in head
    assert b"authorization: basic " in head.lower()
    assert body == b"[]"
    assert (got.status, got.body, got.headers["x-kind"]) == (202, b"thanks", "test")
    assert got.error == ""


async def test_a_posts_redirect_is_not_followed() -> None:
    async with serving(answer(b"", "Location: /other", status="307 Elsewhere")) as served:
        assert (await post(served.url)).status == 307
    assert len(served.requests) == 1


async def test_a_status_counts_however_slowly_the_rest_drips() -> None:
    async def drip(_served: Served, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip) as served:
        began = time.monotonic()
        got = await post(served.url, timeout=0.4)
        assert time.monotonic() - began < 3.0
    assert got.status == 200
    assert got.error == ""
    assert set(got.body) == {ord(".")}


async def test_no_more_than_64_kib_of_an_answer_are_read() -> None:
    async with serving(answer(bytes(10 * 2**20))) as served:
        assert 60 * 1024 <= len((await post(served.url)).body) <= 64 * 1024


async def test_a_receiver_that_hangs_is_given_up_at_the_deadline() -> None:
    async def hang(_served: Served, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(hang) as served:
        got = await post(f"{served.url}/secret-path", timeout=0.3)
        assert got == HttpReply(0, {}, b"", f"127.0.0.1:{served.port} did not answer in time")


async def test_a_receiver_out_of_reach_is_an_error_without_the_address() -> None:
    port = await unused_port()
    got = await post(f"http://user:word@127.0.0.1:{port}/secret-path?secret=1")
    assert got == HttpReply(0, {}, b"", f"127.0.0.1:{port} refuses connections")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "nonsense", "http://", "http://[::1"])
async def test_what_is_no_web_address_is_an_error(url: str) -> None:
    got = await post(url)
    assert got.status == 0
    assert got.error == "the configured address is not an http or https address"


async def test_a_post_is_never_repeated() -> None:
    async def drop_the_second(served: Served, writer: asyncio.StreamWriter) -> None:
        if len(served.requests) == 2:
            writer.close()
        else:
            writer.write(answer())

    async with serving(drop_the_second) as served, Transport(Clock()) as transport:
        post_once = transport.webhook()
        for status in (200, 0):
            got = await post_once(served.url, content=b"", headers={}, timeout=5.0)
            assert got.status == status
    assert len(served.requests) == 2


# --- the control socket


async def test_a_control_socket_is_asked_over_http(tmp_path: Path) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(8))
        writer.write(answer(b'{"ok": true}', status="409 Conflict"))
        writer.close()
        await writer.wait_closed()

    asked: list[bytes] = []
    path = tmp_path / "control.sock"
    async with await asyncio.start_unix_server(reply, path):
        got = await call_unix(path, "/retry", {"id": 1}, timeout=5.0)
    assert asked[0].startswith(b"POST /retry HTTP/1.1")
    assert json.loads(asked[0].partition(b"\r\n\r\n")[2]) == {"id": 1}
    assert (got.status, json.loads(got.body)) == (409, {"ok": True})


@pytest.mark.parametrize("name", ["missing.sock", "x" * 200])
async def test_nobody_at_the_control_socket_is_an_answer_with_status_zero(
    tmp_path: Path, name: str
) -> None:
    got = await call_unix(tmp_path / name, "/status", {}, timeout=5.0)
    assert got.status == 0
    assert "the control socket" in got.error
