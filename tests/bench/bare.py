"""The least that the same requests cost: `python -m tests.bench.bare CLIENT`, started by the bench.

CLIENT is `streams` (no HTTP library), `direct` (the watcher's own client with nothing around it), `httpx`
or `aiohttp`. Reads a job a line: `{"base", "hook", "questions": [[target, validator], …], "posts": [body,
…], "over": SECONDS}`; makes the requests and the posts evenly over so many seconds, or as fast as they go
(0), eight at a time. Each answer is decoded (msgspec where it is installed and the client is aiohttp, else
json), five values of each row are compared with the last ones. Prints `{"cpu", "wall", "requests"}`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx  # noqa: TID251 - the client that the watcher's own is compared with

from watcher.settings.link import USUAL
from watcher.transport.body import unpacked
from watcher.transport.clients import Clients
from watcher.transport.direct import Reply
from watcher.transport.requests import template_for

Ask = Callable[[str, str, Mapping[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""Method, URL, headers, body → status and body."""

AT_ONCE = 8
CLOUD_EVENT = {"content-type": "application/cloudevents+json"}


def with_streams() -> Ask:
    """Return a client of bare streams: what a connection costs, and no more is understood than a length."""
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    context = ssl.create_default_context()

    async def ask(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        parts = urlsplit(url)
        if not idle:
            tls = context if parts.scheme == "https" else None
            idle.append(
                await asyncio.open_connection(parts.hostname, parts.port, ssl=tls, limit=2**24)
            )
        reader, writer = idle.pop()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        head = f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        content = await reader.readexactly(int(length or b"0"))
        idle.append((reader, writer))
        return int(answer[9:12]), content

    return ask


def with_direct() -> Ask:
    """Return the watcher's own client."""
    client = Clients().open(USUAL)

    async def ask(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        parts, reply = urlsplit(url), Reply()
        template = template_for(f"{parts.scheme}://{parts.netloc}")
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        request = template.send(method, target.encode(), headers, body)
        async with client.using(template.url) as lane:
            await lane.exchange(request, reply, connect=10, read=60, most=2**25)
        return reply.status, unpacked(reply, 2**25, template.url)

    return ask


async def with_httpx(stack: AsyncExitStack) -> Ask:
    """Return a client of httpx as its documentation has it."""
    limits = httpx.Limits(max_connections=AT_ONCE)
    client = await stack.enter_async_context(
        httpx.AsyncClient(limits=limits, timeout=60, trust_env=True)
    )

    async def ask(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        answer = await client.request(method, url, headers=headers, content=body or None)
        return answer.status_code, answer.content

    return ask


async def with_aiohttp(stack: AsyncExitStack) -> Ask:
    """Return a session of aiohttp."""
    import aiohttp  # type: ignore[import-not-found, unused-ignore] # only where it is installed

    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))

    async def ask(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        async with session.request(method, url, headers=headers, data=body or None) as answer:
            return answer.status, await answer.read()

    return ask


def _typed() -> Callable[[bytes], list[tuple[Any, ...]]]:
    """Return a typed decoder of rows; raise ImportError."""
    import msgspec  # type: ignore[import-not-found, unused-ignore] # only where it is installed

    assignee = msgspec.defstruct("Assignee", [("id", int | None, None)])
    meta = msgspec.defstruct("Meta", [("assignee", assignee | None, None)])
    fields = [
        ("id", int),
        ("status", str),
        ("unread_count", int),
        ("last_activity_at", int),
        ("meta", meta),
    ]
    row = msgspec.defstruct("Row", fields)
    listing = msgspec.defstruct("Listing", [("payload", list[row])])  # type: ignore[valid-type]
    decode = msgspec.json.Decoder(msgspec.defstruct("Answer", [("data", listing)])).decode
    return lambda body: [
        (x.id, x.status, x.unread_count, x.last_activity_at, x.meta.assignee and x.meta.assignee.id)
        for x in decode(body).data.payload
    ]


def _plain(body: bytes) -> list[tuple[Any, ...]]:
    answer = json.loads(body)
    return [
        (
            x["id"],
            x["status"],
            x["unread_count"],
            x["last_activity_at"],
            (x["meta"].get("assignee") or {}).get("id"),
        )
        for x in (answer["data"]["payload"] if "data" in answer else [answer])
    ]


async def work(
    ask: Ask,
    read: Callable[[bytes], list[tuple[Any, ...]]],
    job: dict[str, Any],
    known: dict[str, Any],
) -> None:
    """Do one job."""

    async def question(target: str, validator: str | None) -> None:
        headers = {"X-Bare": "1", "Api-Access-Token": "token", "Accept": "application/json"}
        if validator:
            headers["If-None-Match"] = validator
        status, body = await ask("GET", job["base"] + target, headers, b"")
        if (
            status == 200
            and target.startswith("/api/v1")
            and (rows := read(body)) != known.get(target)
        ):
            known[target] = rows

    async def post(body: str) -> None:
        await ask("POST", job["hook"], {"X-Bare": "1", **CLOUD_EVENT}, body.encode())

    asked, posts, over = job["questions"], job["posts"], job["over"]
    todo: list[tuple[float, Callable[[], Awaitable[None]]]] = [
        *(((n + 0.5) / len(asked), lambda one=one: question(*one)) for n, one in enumerate(asked)),
        *(((n + 0.5) / len(posts), lambda one=one: post(one)) for n, one in enumerate(posts)),
    ]
    todo.sort(key=lambda one: one[0])
    if over:
        began, under_way = time.monotonic(), list[asyncio.Future[None]]()
        for at, do in todo:
            await asyncio.sleep(max(0.0, began + at * over - time.monotonic()))
            under_way.append(asyncio.ensure_future(do()))
        await asyncio.gather(*under_way)
        return
    left = iter(todo)

    async def drain() -> None:
        for _, do in left:
            await do()

    await asyncio.gather(*(drain() for _ in range(AT_ONCE)))


async def main(client: str) -> None:
    """Read jobs and do them."""
    async with AsyncExitStack() as stack:
        read = _plain
        match client:
            case "streams":
                ask = with_streams()
            case "direct":
                ask = with_direct()
            case "httpx":
                ask = await with_httpx(stack)
            case _:
                ask, read = await with_aiohttp(stack), _typed()
        known: dict[str, Any] = {}
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            job = json.loads(line)
            cpu, wall = time.process_time(), time.perf_counter()
            await work(ask, read, job, known)
            told = {
                "cpu": time.process_time() - cpu,
                "wall": time.perf_counter() - wall,
                "requests": len(job["questions"]) + len(job["posts"]),
            }
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
