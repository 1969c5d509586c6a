"""What Chatwoot's tests share: recorded shapes, and a tiny account for walks (rows, pages by
offset, and the words that an old server ignores).

It shares nothing with the provider; the orders are those of Chatwoot's `conversation_finder.rb`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from watcher.errors import SourceUnavailable
from watcher.model import Observation
from watcher.providers import Page, Request, Response, Sweep
from watcher.providers.chatwoot import Chatwoot, ChatwootSettings

NOW = datetime(2026, 6, 17, 10, 0, 0, tzinfo=UTC)


def chatwoot(*, raw: bool = False, **more: Any) -> Chatwoot:
    settings = {"base_url": "https://chat.example.com", "account_id": 3, "token": "t", **more}
    return Chatwoot(ChatwootSettings(**settings), raw=raw)


def answer(
    body: Any = None, status: int = 200, *, text: bytes | None = None, at: datetime = NOW
) -> Response:
    content = text if text is not None else json.dumps(body).encode()
    return Response(status, content, {}, at - timedelta(milliseconds=80), at)


def envelope(rows: list[dict[str, Any]], total: int | None = None) -> dict[str, Any]:
    count = len(rows) if total is None else total
    return {"data": {"meta": {"all_count": count}, "payload": rows}}


SHAPES = Path(__file__).parent / "chatwoot"
LIST = Sweep()


def shape(name: str) -> Any:
    """Load an answer in the shape of a released version."""
    return json.loads((SHAPES / f"{name}.json").read_text())


def parse(body: Any, motion: Any = LIST, *, raw: bool = False) -> Page:
    provider = chatwoot(raw=raw)
    return provider.parse(provider.start(motion), answer(body))


def one(**over: Any) -> Observation:
    """Return what is seen of today's row 101 with some keys replaced."""
    (seen,) = parse(envelope([{**shape("show_v4_15"), **over}])).rows
    return seen


@dataclass
class Account:
    """Conversations by id; every request may be preceded by changes (`between`).

    `capabilities` is what the watcher's store would keep of the pages' lessons; the server's clock is
    `off` from ours, and no answer carries a `Date`.
    """

    size: int = 3
    windows: bool = True
    orders: bool = True
    stamps: bool = True
    activity: bool = True
    paging: bool = True
    now: datetime = NOW
    off: timedelta = timedelta(0)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    between: Callable[[int], object] = lambda _: None

    def install(self, version: tuple[int, int, int]) -> None:
        """Put a version of the server in the place of the one that ran."""
        self.windows, self.orders = version >= (3, 6, 0), version >= (3, 4, 0)
        self.stamps, self.activity = version >= (4, 0, 2), version >= (2, 17, 0)

    def add(self, number: int, *, age: float = 86400, status: str = "open", **more: Any) -> None:
        """Add a conversation that has been silent for `age` seconds."""
        at = self.now.timestamp() - age
        born = NOW.timestamp() - 1_000_000 + number
        self.rows[number] = {
            "id": number,
            "status": status,
            "unread_count": 0,
            "labels": [],
            "created_at": int(born),
            "last_activity_at": int(at),
            "updated_at": at,
            "meta": {"sender": {"id": number}, "channel": "Channel::Api"},
            **more,
        }

    def bump(self, number: int) -> None:
        at = self.now.timestamp()
        self.rows[number] |= {"last_activity_at": int(at), "updated_at": at}

    def touch(self, number: int) -> None:
        """Change something that is no activity: only `updated_at` moves."""
        self.rows[number] |= {"updated_at": self.now.timestamp()}

    def answer(self, request: Request) -> Response:
        self.between(len(self.asked))
        self.asked.append(request)
        params = dict(request.params)
        rows = [row for row in self.rows.values() if params["status"] in ("all", row["status"])]
        total = len(rows)
        if params.get("sort_by") == "created_at_asc" and self.orders:
            rows.sort(key=lambda row: row["created_at"])
        else:
            rows.sort(key=lambda row: (-row["last_activity_at"], row["id"]))
        if "updated_within" in params and self.windows:
            edge = self.now.timestamp() - int(params["updated_within"])
            rows = [row for row in rows if row["updated_at"] > edge]
        else:
            page = int(params.get("page", "1")) if self.paging else 1
            rows = rows[(page - 1) * self.size : page * self.size]
        if any(row.get("orphan") for row in rows):
            return answer(status=500, text=b"<html>We're sorry, but something went wrong</html>")
        ahead = self.off.total_seconds()
        times = ("created_at", "last_activity_at", "updated_at")
        rows = [row | {key: row[key] + ahead for key in times} for row in rows]
        rows = [{**row, "timestamp": row["last_activity_at"]} for row in rows]
        lacks = {
            *(() if self.stamps else ("updated_at",)),
            *(() if self.activity else ("last_activity_at",)),
        }
        rows = [{k: v for k, v in row.items() if k not in lacks} for row in rows]
        return answer(envelope(rows, total), at=self.now)


@dataclass
class Walked:
    """What a walk brought."""

    ids: list[str]
    pages: list[Page]

    @property
    def last(self) -> Page:
        return self.pages[-1]


def walk(provider: Chatwoot, account: Account, motion: Any, *, limit: int = 200) -> Walked:
    """Drive a walk to its end the way the poller does, skipping pages that fail."""
    position = provider.start(motion)
    walked = Walked([], [])
    for _ in range(limit):
        response = account.answer(provider.request(position))
        try:
            page = provider.parse(position, response)
        except SourceUnavailable:
            position = provider.skip(position)
            if position is None:
                walked.pages.append(Page(complete=False))
                return walked
            continue
        walked.pages.append(page)
        walked.ids.extend(row.id for row in page.rows)
        account.capabilities |= page.capabilities
        provider.set_capabilities(account.capabilities)
        if page.next is None:
            return walked
        position = page.next
    raise AssertionError("the walk does not end")


def account(count: int, *, version: tuple[int, int, int] | None = None, **more: Any) -> Account:
    """Return an account whose conversations are the more active the younger they are; `version` is that
    of its server.
    """
    made = Account(**more)
    if version is not None:
        made.install(version)
    for number in range(1, count + 1):
        made.add(number, age=86400 - 60 * number)
    return made


def ids(*numbers: int) -> list[str]:
    return [str(number) for number in numbers]
