"""A strict search server: its cursor continues strictly after a value, and ties are lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from watcher.providers import Page, Request, Response

START = 1_786_000_000_000
NOW = datetime.fromtimestamp(START / 1000, UTC) + timedelta(seconds=1)


@dataclass
class Row:
    """A conversation at the server; `at` is None for one that was never written in."""

    id: str
    at: int | None
    unread: bool = False
    owner: str | None = None


@dataclass
class StrictServer:
    """The search as it was observed; the switches are what is not known of it.

    `mirrored`: equal rows come in the opposite order when the sort is turned round. `before`
    is called ahead of each answer with the number of the request, to change the world. `hidden`
    ids are taken out of a page after it was cut; `neither` ids pass for neither read nor unread.
    """

    rows: list[Row]
    most: int = 100
    mirrored: bool = True
    ascends: bool = True
    heeds_cursor: bool = True
    counts: bool = True
    before: Callable[[int], None] = lambda number: None
    hidden: frozenset[str] = frozenset()
    neither: frozenset[str] = frozenset()
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        params = dict(request.params)
        assert params["locationId"] == "loc1"
        self.asked.append(params)
        self.before(len(self.asked))
        chosen = [row for row in self.rows if self._selected(row, params)]
        ascending = params["sort"] == "asc" and self.ascends
        if not ascending and self.mirrored:
            chosen.reverse()
        sign = 1 if ascending else -1
        undated = 2 * START  # the index puts rows without a value last, whatever the order
        chosen.sort(key=lambda row: undated if row.at is None else sign * row.at)
        total = len(chosen)
        if "startAfterDate" in params and self.heeds_cursor:
            after = int(params["startAfterDate"])
            chosen = [row for row in chosen if row.at is None or sign * row.at > sign * after]
        page = chosen[: min(int(params["limit"]), self.most)]
        body: dict[str, object] = {
            "conversations": [_shape(row) for row in page if row.id not in self.hidden]
        }
        if self.counts:
            body["total"] = total
        return Response(200, json.dumps(body).encode(), {}, NOW, NOW)

    def _selected(self, row: Row, params: dict[str, str]) -> bool:
        if params.get("assignedTo") == "unassigned" and row.owner:
            return False
        if row.id in self.neither:
            return params["status"] == "all"
        return params["status"] == "all" or (params["status"] == "unread") == row.unread


def _shape(row: Row) -> dict[str, object]:
    shape: dict[str, object] = {"id": row.id, "unreadCount": int(row.unread)}
    if row.at is not None:
        shape |= {"lastMessageDate": row.at, "sort": [row.at]}
    if row.owner:
        shape["assignedTo"] = row.owner
    return shape


def ids(pages: list[Page]) -> set[str]:
    return {row.id for page in pages for row in page.rows}


def world(*times: int | None, unread: bool = False) -> list[Row]:
    return [
        Row(f"c{number}", None if at is None else START + at, unread)
        for number, at in enumerate(times)
    ]
