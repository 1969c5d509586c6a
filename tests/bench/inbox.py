"""An inbox service that costs next to nothing: `python -m tests.bench.inbox --help`.

One account of the shipped simulator stands for all: what it answers to a question is rendered once and kept,
and each account that is asked for gets it with its own name. So a watcher of thousands of accounts is
measured, not its fake. Nothing ever changes here; the process prints its port, and `GET /_count` tells how
many requests it has answered and the seconds of CPU that they took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from email.utils import formatdate
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from watcher.clock import wall_clock
from watcher.simulator import World, chatwoot, leadconnector

ACCOUNTS = {"chatwoot": "770077", "highlevel": "Loc770077"}
"""The account that stands for all."""

ASKED = re.compile(rb"(?<=/accounts/)\d+|(?<=locationId=)[^& ]+")
"""Where a request names its account."""


class Inbox:
    """Answers requests out of what one simulated account answered once."""

    def __init__(self, service: str, conversations: int) -> None:
        began = wall_clock()
        world = World(lambda: began, 1)
        kind = "chatwoot" if service == "chatwoot" else "highlevel"
        self._account = world.open_account(kind, ACCOUNTS[kind], conversations=conversations)
        self._app: ASGIApp = (
            chatwoot.app(world)
            if kind == "chatwoot"
            else leadconnector.app(world, leadconnector.Options(limit=None, daily=10**9))
        )
        self._kept: dict[bytes, tuple[int, bytes]] = {}
        self.requests = 0

    async def answer(self, head: bytes) -> bytes:
        """Return the answer to a request without a body."""
        first = head[: head.index(b"\r\n")].split(b" ")[1]
        if first == b"/_count":
            counts = {"requests": self.requests, "cpu": time.process_time()}
            return _written(200, json.dumps(counts).encode())
        self.requests += 1
        found = ASKED.search(first)
        mine = self._account.id.encode()
        question = first if found is None else ASKED.sub(mine, first)
        kept = self._kept.get(question)
        if kept is None:
            kept = self._kept[question] = await self._ask(question, head)
        status, body = kept
        return _written(status, body if found is None else body.replace(mine, found.group()))

    async def _ask(self, question: bytes, head: bytes) -> tuple[int, bytes]:
        path, _, query = question.partition(b"?")
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
        headers = [(name.lower().strip(), value.strip()) for name, _, value in lines]
        token = self._account.token.encode()
        mine = {b"authorization": b"Bearer " + token, b"api-access-token": token}
        scope: Scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": unquote(path.decode()), "raw_path": path,
            "query_string": query, "root_path": "", "server": ("inbox.example", 80),
            "headers": [(name, mine.get(name, value)) for name, value in headers],
        }  # fmt: skip
        status, body = 500, b""

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, body
            status, body = message.get("status", status), body + message.get("body", b"")

        await self._app(scope, receive, send)
        return status, body


def _written(status: int, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} -\r\nDate: {formatdate(usegmt=True)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._read = b""
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        if self._read.endswith(b"\r\n\r\n"):
            head, self._read = self._read, b""
            task = asyncio.ensure_future(self._answer(head))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, head: bytes) -> None:
        self._transport.write(await self._inbox.answer(head))


async def serve(service: str, conversations: int, hosts: int) -> None:
    """Listen on so many loopback addresses, at one port of all; print it, and serve until killed."""
    inbox, port = Inbox(service, conversations), 0
    loop = asyncio.get_running_loop()
    for number in range(1, hosts + 1):
        server = await loop.create_server(
            lambda: _Connection(inbox), f"127.0.0.{number}", port, backlog=4096
        )
        port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", choices=sorted(ACCOUNTS), default="highlevel")
    parser.add_argument("--conversations", type=int, default=25)
    parser.add_argument("--hosts", type=int, default=1)
    asked = parser.parse_args()
    asyncio.run(serve(asked.service, asked.conversations, asked.hosts))


if __name__ == "__main__":
    main()
