"""A strict search server: its cursor continues strictly after a value, and ties are lost.

And the walk over it, as the poller makes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from watcher.providers import Motion, Page, Request, Response
from watcher.providers.leadconnector import HighLevel, HighLevelSettings

START = 1_786_000_000_000
NOW = datetime.fromtimestamp(START / 1000, UTC) + timedelta(seconds=1)


@dataclass
class Row:
    """A conversation at the server; `at` is None for one that was never written in, `added` for
    one without a creation time, which no window of creation times selects.
    """

    id: str
    at: int | None
    unread: bool = False
    owner: str | None = None
    added: int | None = None


@dataclass
class StrictServer:
    """The search as it was observed; the switches are what is not known of it.

    `mirrored`: equal rows come in the opposite order when the sort is turned round, else in the
    same one, as in a search index. `closed` tells whether `startDate` and `endDate` select rows
    of these very milliseconds; `heeds` names the filters that are not ignored. `before`
    is called ahead of each answer with the number of the request, to change the world. `hidden`
    ids are taken out of a page after it was cut; `neither` ids pass for neither read nor unread.
    """

    rows: list[Row]
    most: int = 100
    mirrored: bool = True
    ascends: bool = True
    heeds_cursor: bool = True
    counts: bool = True
    closed: tuple[bool, bool] = (True, True)
    heeds: frozenset[str] = frozenset({"assignedTo", "startDate", "endDate"})
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
        params = {key: text for key, text in params.items() if key in self.heeds | {"status"}}
        if "assignedTo" in params and (row.owner or "unassigned") != params["assignedTo"]:
            return False
        if not self._within(row, params.get("startDate"), params.get("endDate")):
            return False
        if row.id in self.neither:
            return params["status"] == "all"
        return params["status"] == "all" or (params["status"] == "unread") == row.unread

    def _within(self, row: Row, start: str | None, end: str | None) -> bool:
        if start is None and end is None:
            return True
        if row.added is None:
            return False
        low, high = int(start or 0), int(end or 2 * START)
        begun = row.added > low or (self.closed[0] and row.added == low)
        return begun and (row.added < high or (self.closed[1] and row.added == high))


def _shape(row: Row) -> dict[str, object]:
    shape: dict[str, object] = {"id": row.id, "unreadCount": int(row.unread)}
    if row.at is not None:
        shape |= {"lastMessageDate": row.at, "sort": [row.at]}
    if row.added is not None:
        shape["dateAdded"] = row.added
    if row.owner:
        shape["assignedTo"] = row.owner
    return shape


def provider(page_size: int = 3) -> HighLevel:
    return HighLevel(HighLevelSettings(location_id="loc1", token="t", page_size=page_size))


def walk(server: StrictServer, motion: Motion, watched: HighLevel | None = None) -> list[Page]:
    """Walk to the end as the poller does, and give the pages since the last fresh start."""
    watched = watched or provider()
    pages: list[Page] = []
    position = watched.start(motion)
    for _ in range(500):
        page = watched.parse(position, server.answer(watched.request(position)))
        if page.fallback:
            watched.set_capabilities(page.capabilities)
            pages, position = [], watched.start(motion)
            continue
        pages.append(page)
        position = page.next
        if position is None:
            return pages
    raise AssertionError("the walk does not end")


def ids(pages: list[Page]) -> set[str]:
    return {row.id for page in pages for row in page.rows}


def world(*times: int | None, unread: bool = False) -> list[Row]:
    return [
        Row(f"c{number}", None if at is None else START + at, unread)
        for number, at in enumerate(times)
    ]
