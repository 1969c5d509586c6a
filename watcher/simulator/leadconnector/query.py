"""HighLevel's search parameters: reading them, filtering, and cutting the page.

Rules: pure. The only place in the list is one number, the sort value; `startAfterDate` continues
strictly behind it, so rows that tie with the last one of a page are lost (an observed property of
clients' captures and of any index resumed by one key).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from watcher.simulator.leadconnector.rows import (
    last_message_date,
    manual_message_date,
    millis,
    row,
)
from watcher.simulator.state import State

__all__ = ["Refused", "Search", "read_search"]

STATUSES = ("all", "read", "unread", "starred", "recents")
SORTS = (
    "last_message_date",
    "last_manual_message_date",
    "score_profile",
    "overdue_at",
    "due_at",
)


class Refused(Exception):
    """The request is answered 400 or 422 with this text."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search in order. Dates are epoch milliseconds."""

    limit: int
    descending: bool
    key: Callable[[State], int]
    after: float | None
    filters: tuple[Callable[[State], bool], ...]

    def take(self, states: Sequence[State]) -> tuple[list[State], int]:
        """Return the page and the number of all that match, which is counted without the cursor."""
        matching = [state for state in states if all(test(state) for test in self.filters)]
        total = len(matching)
        if self.after is not None:
            after = self.after
            matching = [s for s in matching if self._behind(self.key(s), after)]
        matching.sort(key=lambda state: state.id)
        matching.sort(key=self.key, reverse=self.descending)
        return matching[: self.limit], total

    def _behind(self, value: int, after: float) -> bool:
        return value < after if self.descending else value > after


def read_search(
    params: Sequence[tuple[str, str]], *, default_limit: int, cap: int, clamp: bool
) -> Search:
    """Read the query parameters (the last of repeated ones counts); raises Refused."""
    given = dict(params)
    limit = _number(given, "limit")
    if limit is not None and limit > cap and not clamp:
        raise Refused(f"limit must not be greater than {cap}")
    sort = _one_of(given, "sort", ("asc", "desc"), "desc")
    sort_by = _one_of(given, "sortBy", SORTS, "last_message_date")
    manual = sort_by == "last_manual_message_date"
    return Search(
        limit=default_limit if limit is None else max(1, min(int(limit), cap)),
        descending=sort == "desc",
        key=manual_message_date if manual else last_message_date,
        after=_number(given, "startAfterDate"),
        filters=tuple(_filters(given)),
    )


def _filters(given: dict[str, str]) -> list[Callable[[State], bool]]:
    status = _one_of(given, "status", STATUSES, "all")
    tests: list[Callable[[State], bool]] = {
        "read": [lambda state: state.unread == 0],
        "unread": [lambda state: state.unread > 0],
        "starred": [lambda state: state.starred],
    }.get(status, [])
    if "id" in given:
        tests.append(lambda state: state.id == given["id"])
    if "contactId" in given:
        tests.append(lambda state: state.contact.id == given["contactId"])
    if "assignedTo" in given:
        owners = given["assignedTo"].split(",")
        tests.append(
            lambda state: ("unassigned" if state.assignee is None else state.assignee.id) in owners
        )
    if "followers" in given:
        wanted = set(given["followers"].split(","))
        tests.append(lambda state: bool(wanted & set(state.followers)))
    if (start := _number(given, "startDate")) is not None:
        tests.append(lambda state: millis(state.created_at) >= start)
    if (end := _number(given, "endDate")) is not None:
        tests.append(lambda state: millis(state.created_at) <= end)
    lasts = [name for name in ("lastMessageType", "lastMessageDirection") if name in given]
    tests.extend(_shows(name, given[name]) for name in lasts)
    if text := given.get("query"):
        tests.append(lambda state: text.lower() in (state.contact.name or "").lower())
    return tests


def _shows(name: str, value: str) -> Callable[[State], bool]:
    return lambda state: row(state, "").get(name) == value


def _number(given: dict[str, str], name: str) -> float | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise Refused(f"{name} must be a number") from None


def _one_of(given: dict[str, str], name: str, allowed: Sequence[str], default: str) -> str:
    value = given.get(name, default)
    if value not in allowed:
        raise Refused(f"{name} must be one of the following values: {', '.join(allowed)}")
    return value
