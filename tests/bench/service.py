"""A Chatwoot that costs next to nothing, and a webhook receiver: `python -m tests.bench.service --help`.

Every conversation is the shipped simulator's first one with values of its own, so that ten million of them
need no memory and pages are written once. Lists, orders, `updated_within`, validators (ETag and 304)
behave as Chatwoot's. Under `/_bench/` the bench changes conversations and asks what was asked for; requests
with the header `X-Bare` come from the bare clients and are answered, not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import ssl
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

from httptools import HttpRequestParser

from tests.bench.inbox import Inbox

SAID = "Nobody has called me back about the quote, and on Friday the painters come. "
BEGAN = 1_760_000_000
"""Seconds: when the first conversation began; the others follow."""

APART = 60
KEPT = 100_000
"""Rows of pages that are kept as they were written: some 400 MB."""

VERSION = b'{"version":"4.15.1","timestamp":"2026-11-30 12:00:00","queue_services":"ok","data_services":"ok"}'
VARYING = ("id", "account", "message", "contact", "agent", "at", "touched", "unread")


async def template() -> str:
    """Return the simulator's first row with places for what differs between conversations."""
    asked = b"GET /api/v1/accounts/1/conversations?status=all&page=1 HTTP/1.1\r\nApi-Access-Token: x\r\n\r\n"
    answer = await Inbox("chatwoot", 1).answer(asked)
    (row,) = json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["payload"]
    mark = {name: f"<<{name}>>" for name in VARYING}
    row |= {
        "id": mark["id"], "account_id": mark["account"], "unread_count": mark["unread"],
        "last_activity_at": mark["at"], "timestamp": mark["at"], "updated_at": mark["touched"],
        "created_at": mark["at"], "uuid": "00000000-0000-4000-8000-<id>", "status": "open",
    }  # fmt: skip
    row["meta"]["sender"] |= {
        "id": mark["contact"],
        "name": "Contact <id>",
        "email": "c<id>@example.com",
    }
    row["meta"] |= {
        "assignee_type": "User",
        "assignee": {
            "id": mark["agent"], "account_id": mark["account"], "availability_status": "online",
            "auto_offline": True, "confirmed": True, "email": "agent<agent>@example.com",
            "provider": "email", "available_name": "Agent <agent>", "name": "Agent <agent>",
            "role": "agent", "thumbnail": "",
        },
    }  # fmt: skip
    for message in (*row["messages"], row["last_non_activity_message"]):
        message |= {
            "id": mark["message"], "conversation_id": mark["id"], "account_id": mark["account"],
            "content": SAID * 4, "processed_message_content": SAID * 4, "created_at": mark["at"],
            "message_type": 0, "sender_type": "Contact", "sender_id": mark["contact"],
        }  # fmt: skip
    text = json.dumps(row, separators=(",", ":")).replace("%", "%%")
    for name, marked in mark.items():
        text = text.replace(f'"{marked}"', f"%({name})s").replace(f"<{name}>", f"%({name})s")
    return text


class Accounts:
    """All accounts; of a conversation that has changed, what it is now."""

    def __init__(self, row: str, size: int, page: int) -> None:
        self._row = row
        self.size = size
        self._page = page
        self._changed: dict[int, dict[int, dict[str, Any]]] = {}
        self._pages: OrderedDict[tuple[int, str, int], tuple[bytes, int]] = OrderedDict()

    def _values(self, account: int, number: int) -> dict[str, Any]:
        conversation = account * 10_000_000 + number
        at = BEGAN + number * APART
        return {
            "id": conversation, "account": account, "message": conversation * 10, "contact": conversation + 3,
            "agent": 7 + number % 4, "at": at, "touched": f"{at}.25", "unread": 0,
        } | self._changed.get(account, {}).get(number, {})  # fmt: skip

    def _listed(self, account: int, numbers: Iterable[int]) -> bytes:
        rows = ",".join(self._row % self._values(account, number) for number in numbers)
        meta = f'{{"mine_count":0,"assigned_count":{self.size},"unassigned_count":0,"all_count":{self.size}}}'
        return f'{{"data":{{"meta":{meta},"payload":[{rows}]}}}}'.encode()

    def listed(self, account: int, order: str, page: int) -> tuple[bytes, int]:
        """Return a page of a list, and how many rows it has."""
        key = (account, order, page)
        kept = self._pages.get(key)
        if kept is None:
            first, last = (page - 1) * self._page, min(page * self._page, self.size)
            numbers: list[int] = list(range(first, last))
            if order.startswith("last_activity_at"):
                changed = self._changed.get(account, {})
                latest = sorted(changed, key=lambda number: -changed[number]["at"])
                rest = (n for n in range(self.size - 1, -1, -1) if n not in changed)
                numbers = [*latest, *(n for n, _ in zip(rest, range(last), strict=False))][
                    first:last
                ]
            kept = self._pages[key] = self._listed(account, numbers), len(numbers)
            if len(self._pages) * self._page > KEPT:
                self._pages.popitem(last=False)
        return kept

    def updated(self, account: int, seconds: float) -> tuple[bytes, int]:
        """Return the conversations that changed within so many seconds."""
        since = time.time() - seconds  # noqa: TID251 - a server has a clock
        changed = self._changed.get(account, {})
        numbers = [number for number, now in changed.items() if float(now["touched"]) > since]
        return self._listed(account, numbers), len(numbers)

    def one(self, account: int, conversation: int) -> bytes | None:
        """Return a conversation."""
        number = conversation - account * 10_000_000
        known = 0 <= number < self.size
        return (self._row % self._values(account, number)).encode() if known else None

    def change(self, account: int, number: int, what: str) -> str:
        """Have a customer write (`message`) or another agent take over (`agent`); return its id."""
        now, values = time.time(), self._values(account, number)  # noqa: TID251 - a server has a clock
        changed = self._changed.setdefault(account, {}).setdefault(number, {"at": values["at"]})
        changed["touched"] = f"{now:.6f}"
        if what == "message":
            changed |= {
                "at": int(now),
                "message": values["message"] + 1,
                "unread": values["unread"] + 1,
            }
        else:
            changed["agent"] = 7 + (values["agent"] - 6) % 4
        for key in [key for key in self._pages if key[0] == account]:
            del self._pages[key]
        return str(values["id"])


class Service:
    """What is answered, and what is counted."""

    def __init__(self, accounts: Accounts, asked: argparse.Namespace) -> None:
        self._accounts = accounts
        self._asked = asked
        self._turn = 0
        self._gate = asyncio.Event()
        self._gate.set()
        self._clear()

    def _clear(self) -> None:
        self.counts = dict.fromkeys(("requests", "covered", "rows", "unchanged", "last"), 0)
        self.questions: list[tuple[str, str | None]] = []
        self.posts: list[tuple[float, str]] = []

    async def answer(self, question: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the whole answer to a request."""
        path, _, query = question.partition("?")
        params = dict(parse_qsl(query))
        if path == "/_bench/change":
            return self._change(params)
        if path == "/_bench/read":
            told = {
                **self.counts,
                "questions": self.questions,
                "posts": self.posts,
                "cpu": time.process_time(),
            }
            if "brief" in params:
                told |= {"questions": len(self.questions), "posts": len(self.posts)}
            if "clear" in params:
                self._clear()
            return _written(200, json.dumps(told).encode())
        if path == "/_bench/gate":
            (self._gate.set if params["open"] == "1" else self._gate.clear)()
            return _written(200, b"{}")
        if path.startswith("/hook"):
            if "x-bare" not in headers:
                at = time.time()  # noqa: TID251 - a server has a clock
                self.posts.append((at, body.decode()))
                await self._gate.wait()
            return _written(200, b"ok")
        if path == "/api":
            return _written(200, VERSION)
        return self._listing(path, params, headers, question)

    def _change(self, params: Mapping[str, str]) -> bytes:
        """Change a conversation of one account, of each of them, or all conversations of all."""
        first, last = self._asked.first, self._asked.first + self._asked.accounts
        chosen = [int(params["account"])] if "account" in params else range(first, last)
        self._turn += 1
        changed = [
            self._accounts.change(account, number, params["what"])
            for account in chosen
            for number in (
                range(self._accounts.size)
                if "all" in params
                else (self._turn * 7 % self._accounts.size,)
            )
        ]
        at = time.time()  # noqa: TID251 - a server has a clock
        return _written(200, json.dumps({"at": at, "changed": changed}).encode())

    def _listing(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], question: str
    ) -> bytes:
        parts = path.split("/")
        validator = headers.get("if-none-match")
        bare = "x-bare" in headers
        account = int(parts[4])
        if len(parts) > 6:
            found = self._accounts.one(account, int(parts[6]))
            return (
                _written(404, b'{"error":"not found"}') if found is None else _written(200, found)
            )
        windowed = "updated_within" in params and not self._asked.old
        if windowed:
            body, rows = self._accounts.updated(account, float(params["updated_within"]))
        else:
            page = int(params.get("page", "1"))
            body, rows = self._accounts.listed(
                account, params.get("sort_by", "last_activity_at_desc"), page
            )
        etag = (
            'W/"' + hashlib.blake2b(body, digest_size=16).hexdigest() + '"'
            if self._asked.etag
            else ""
        )
        same = bool(etag) and validator == etag
        if not bare:
            self.counts["requests"] += 1
            self.counts["covered"] += self._accounts.size if windowed else rows
            self.counts["rows"] += 0 if same else rows
            self.counts["unchanged"] += same
            if params.get("sort_by") == "created_at_asc":
                self.counts["last"] = max(self.counts["last"], int(params.get("page", "1")))
            if self._asked.note:
                self.questions.append((question, validator))
        return _written(304 if same else 200, b"" if same else body, etag)


def _written(status: int, body: bytes, etag: str = "") -> bytes:
    length = "" if status == 304 else f"Content-Length: {len(body)}\r\n"
    validator = f"ETag: {etag}\r\n" if etag else ""
    head = (
        f"HTTP/1.1 {status} -\r\nDate: {formatdate(usegmt=True)}\r\nContent-Type: application/json\r\n"
        f"{validator}{length}\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One connection; the parser calls the methods that begin with `on_`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._parser = HttpRequestParser(self)
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._question, self._body = b"", b""
        self._headers: dict[str, str] = {}

    def on_url(self, url: bytes) -> None:
        self._question += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        work = self._answer(self._question.decode(), self._headers, self._body)
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, question: str, headers: Mapping[str, str], body: bytes) -> None:
        self._transport.write(await self._service.answer(question, headers, body))


async def serve(asked: argparse.Namespace) -> None:
    """Listen on every address, at one port of all; print it, and serve until killed."""
    service = Service(Accounts(await template(), asked.conversations, asked.page), asked)
    context = None
    if asked.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(asked.certificate)
    loop, port = asyncio.get_running_loop(), 0
    for number in range(asked.host, asked.host + asked.hosts):
        server = await loop.create_server(
            lambda: _Connection(service), f"127.0.{number // 250}.{number % 250 + 1}", port, ssl=context,
            backlog=4096,
        )  # fmt: skip
        port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--first", type=int, default=1, help="the first account's number")
    parser.add_argument("--conversations", type=int, default=25, help="of each account")
    parser.add_argument("--page", type=int, default=25, help="rows of a page")
    parser.add_argument(
        "--hosts", type=int, default=1, help="loopback addresses that it listens on"
    )
    parser.add_argument("--host", type=int, default=0, help="the first of these")
    parser.add_argument("--old", action="store_true", help="ignore `updated_within`")
    parser.add_argument("--etag", action="store_true", help="send validators, and 304")
    parser.add_argument("--note", action="store_true", help="note what is asked")
    parser.add_argument("--certificate", help="PEM file: serve HTTPS")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
