"""Leadping's `RequestDataOptions`: reading the body strictly, and cutting a page by its token.

Rules: pure. The token is opaque to callers: the sort values and id of the last row, bound to the
whole query by a hash. Cosmos resumes behind (sort value, id), so ties are never lost; a page may be
short or empty while more follows.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cmp_to_key
from typing import Any, Literal

from watcher.simulator.contract import newest_event
from watcher.simulator.leadping.rows import iso
from watcher.simulator.state import State

__all__ = ["FIELDS", "Page", "Query", "Refused", "read_query", "take_page"]

FIELDS = ("lastEventAt", "id", "leadId", "isUnread", "isArchived", "status")
"""The names that sort and filter; none are published, these are the row's own."""

FILTERS = ("active", "archived", "all")
ARCHIVED = {"active": (False,), "archived": (True,), "all": (False, True)}
BOUNDS: Mapping[str, Callable[[int], bool]] = {
    "greaterThan": lambda sign: sign > 0,
    "greaterThanOrEqual": lambda sign: sign >= 0,
    "lessThan": lambda sign: sign < 0,
    "lessThanOrEqual": lambda sign: sign <= 0,
}
KNOWN: Mapping[str, tuple[type, ...]] = {
    "pageSize": (int, str),
    "continuationToken": (str,),
    "orderBy": (list,),
    "includeCount": (bool,),
    "search": (str,),
    "searchFields": (list,),
    "filters": (list,),
    "rangeFilters": (list,),
}

Values = tuple[Any, ...]


class Refused(Exception):
    """The request is answered 400 with this text."""


@dataclass(frozen=True, slots=True)
class Query:
    """A request in order. `digest` is what a token is bound to."""

    archive: str
    page_size: int | None
    token: str | None
    order: tuple[tuple[str, Literal["asc", "desc"]], ...]
    include_count: bool
    search: str | None
    filters: tuple[tuple[str, Any], ...]
    ranges: tuple[tuple[str, str, Any], ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Page:
    states: tuple[State, ...]
    token: str | None
    total: int


def read_query(
    body: bytes,
    archive: str | None,
    *,
    scope: str,
    names: bool,
    numbers: bool,
    sortable: frozenset[str],
    range_filters: bool,
) -> Query:
    """Read a request; raises Refused for whatever a strict server would not take."""
    try:
        given = json.loads(body)
    except ValueError:
        raise Refused("A non-empty request body with JSON is required.") from None
    if not isinstance(given, dict):
        raise Refused("The JSON value could not be converted to RequestDataOptions.")
    for name, types in KNOWN.items():
        value = given.get(name)
        fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        if value is not None and not fits:
            raise Refused(f"The JSON value of {name} could not be converted.")
    fields = {"scope": scope, "archive": archive}
    bound = {k: v for k, v in given.items() if k != "continuationToken"} | {"": fields}
    ranges = _ranges(given.get("rangeFilters") or [], sortable)
    if ranges and not range_filters:
        raise Refused("Range filters are not supported by this resource.")
    return Query(
        archive=_archive(archive, "all" if scope != "my" else "active", names, numbers),
        page_size=_page_size(given.get("pageSize")),
        token=given.get("continuationToken") or None,
        order=tuple(_order(entry, sortable) for entry in given.get("orderBy") or []),
        include_count=bool(given.get("includeCount")),
        search=given.get("search") or None,
        filters=tuple(
            (_field(entry, sortable), entry.get("value")) for entry in given.get("filters") or []
        ),
        ranges=ranges,
        digest=hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()[:16],
    )


def take_page(
    query: Query,
    states: Sequence[State],
    unread: Mapping[str, bool],
    size: int,
    *,
    empty_every: int = 0,
    short: bool = False,
) -> Page:
    """Cut the next page: what comes behind the token's place, in the query's order, as it is now."""
    order = query.order or (("lastEventAt", "desc"),)
    matching = [state for state in states if _matches(query, state, unread)]

    def place(state: State) -> Values:
        return (*(_value(state, name, unread) for name, _ in order), state.id)

    # The id breaks ties in the direction of the first field.
    directions = (*(direction for _, direction in order), order[0][1])

    def compare(a: Values, b: Values) -> int:
        for left, right, direction in zip(a, b, directions, strict=True):
            sign = _compare(left, right)
            if sign:
                return sign if direction == "asc" else -sign
        return 0

    resume = _open_token(query.token, query.digest) if query.token else None
    number = 0 if resume is None else resume["n"]
    after = None if resume is None or resume["p"] is None else tuple(resume["p"])
    placed = [(place(state), state) for state in matching]
    by_place = cmp_to_key(compare)
    placed.sort(key=lambda pair: by_place(pair[0]))
    rest = [pair for pair in placed if after is None or compare(pair[0], after) > 0]
    take = max(1, (size + 1) // 2) if short else size
    if empty_every and number % empty_every == empty_every - 1:
        take = 0
    token = None
    if len(rest) > take:
        last = rest[take - 1][0] if take else after
        token = _token(query.digest, number + 1, last)
    return Page(tuple(state for _, state in rest[:take]), token, len(matching))


def _token(digest: str, number: int, place: Values | None) -> str:
    inside = json.dumps({"q": digest, "n": number, "p": place})
    return base64.urlsafe_b64encode(inside.encode()).decode()


def _open_token(token: str, digest: str) -> dict[str, Any]:
    try:
        inside: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token))
        if inside["q"] == digest:
            return inside
    except (ValueError, KeyError, TypeError):
        pass
    raise Refused("The continuation token is not valid for this query.")


def _matches(query: Query, state: State, unread: Mapping[str, bool]) -> bool:
    if state.archived not in ARCHIVED[query.archive]:
        return False
    snippet = (None if state.message is None else state.message.text) or ""
    text = f"{state.contact.name or ''} {snippet}"
    if query.search is not None and query.search.lower() not in text.lower():
        return False
    if any(_value(state, name, unread) != value for name, value in query.filters):
        return False
    for name, bound, limit in query.ranges:
        value = _value(state, name, unread)
        if value is None or not BOUNDS[bound](_compare(value, _comparable(name, limit))):
            return False
    return True


def _value(state: State, name: str, unread: Mapping[str, bool]) -> Any:
    if name == "lastEventAt":
        event = newest_event(state)
        return None if event is None else iso(event.at, 7)
    plain = {
        "id": state.id,
        "leadId": state.contact.id,
        "isUnread": unread[state.id],
        "isArchived": state.archived,
        "status": state.status,
    }
    return plain[name]


def _comparable(name: str, value: Any) -> Any:
    """Bring a time that the caller wrote to the form of `_value`, so that text compares."""
    if name != "lastEventAt" or not isinstance(value, str):
        return value
    try:
        return iso(datetime.fromisoformat(value), 7)
    except ValueError:
        raise Refused(f"The value '{value}' is not a time.") from None


def _compare(a: Any, b: Any) -> int:
    """Order as Cosmos does across types: null, booleans, numbers, text."""
    left, right = _rank(a), _rank(b)
    if left != right:
        return -1 if left < right else 1
    return 0 if a is None else (a > b) - (a < b)


def _rank(value: Any) -> int:
    if value is None:
        return 0
    return 1 if isinstance(value, bool) else 2 if isinstance(value, int | float) else 3


def _archive(given: str | None, default: str, names: bool, numbers: bool) -> str:
    if given is None:
        return default
    if names and given.lower() in FILTERS:
        return given.lower()
    if numbers and given.isdecimal() and int(given) < len(FILTERS):
        return FILTERS[int(given)]
    raise Refused(f"The value '{given}' is not valid for archiveFilter.")


def _page_size(value: int | str | None) -> int | None:
    if value is None:
        return None
    try:
        size = int(value)
    except ValueError:
        raise Refused("The JSON value of pageSize could not be converted.") from None
    if size < 1:
        raise Refused("pageSize must be positive.")
    return size


def _field(entry: Any, sortable: frozenset[str]) -> str:
    name = entry.get("field") if isinstance(entry, dict) else None
    if not isinstance(name, str) or name not in sortable:
        raise Refused(f"The field '{name}' is not supported.")
    return name


def _order(entry: Any, sortable: frozenset[str]) -> tuple[str, Literal["asc", "desc"]]:
    name = _field(entry, sortable)
    direction: Literal["asc", "desc"] = entry.get("direction") or "asc"
    if direction not in ("asc", "desc"):
        raise Refused(f"The value '{direction}' is not valid for direction.")
    return name, direction


def _ranges(entries: list[Any], sortable: frozenset[str]) -> tuple[tuple[str, str, Any], ...]:
    return tuple(
        (_field(entry, sortable), bound, entry[bound])
        for entry in entries
        for bound in BOUNDS
        if isinstance(entry, dict) and entry.get(bound) is not None
    )
