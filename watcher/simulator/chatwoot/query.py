"""Chatwoot's conversation finder: filters, counts, order and offset pages.

Rules: pure; the server's time is an argument. Facts are from conversation_finder.rb and
sort_handler.rb: an unknown sort name falls back silently, `updated_within` turns paging off, the
counts come before `assignee_type`, paging and `updated_within`, no order has a tie-breaker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from watcher.simulator.chatwoot.rows import last_activity_at, updated_at
from watcher.simulator.contract import unread_count
from watcher.simulator.state import Account, State, Viewer
from watcher.simulator.versions import Version, can
from watcher.simulator.waiting import set_in

__all__ = ["NotFound", "Query", "read_query"]

Key = Callable[[State], Any]
PRIORITIES = {"urgent": 4, "high": 3, "medium": 2, "low": 1}


class NotFound(Exception):
    """A team that is not there: the list answers 404."""


@dataclass(frozen=True, slots=True)
class Query:
    """A list request in order. `offset` is None where paging is off."""

    tests: tuple[Callable[[State], bool], ...]
    assignee_type: str | None
    updated_within: int | None
    sort_by: str
    number: int
    size: int
    delay: timedelta
    version: Version

    def matches(self, state: State) -> bool:
        """Apply the filters that the counts obey as well."""
        return all(test(state) for test in self.tests)

    def counts(self, states: Sequence[State], viewer: Viewer) -> dict[str, int]:
        """Return the counts of what matches, regardless of `assignee_type`, page and `updated_within`."""
        unassigned = sum(state.assignee is None for state in states)
        return {
            "mine_count": sum(_is_mine(state, viewer) for state in states),
            "assigned_count": len(states) - unassigned,
            "unassigned_count": unassigned,
            "all_count": len(states),
        }

    def page(
        self, states: Sequence[State], viewer: Viewer, now: datetime, *, swap: bool
    ) -> list[State]:
        """Return the page as it is now; with `swap` rows with equal keys are in reverse order."""
        delay = self.delay.total_seconds()
        kept = [state for state in states if self._assigned_as_asked(state, viewer)]
        ordered = kept[::-1] if swap else kept
        for key, descending in reversed(_order(self.sort_by, self.version, now, delay)):
            ordered.sort(key=key, reverse=descending)
        if self.updated_within is not None:
            since = now - timedelta(seconds=self.updated_within)
            return [state for state in ordered if updated_at(state, now, delay) > since]
        first = (self.number - 1) * self.size
        return ordered[first : first + self.size]

    def _assigned_as_asked(self, state: State, viewer: Viewer) -> bool:
        if self.assignee_type == "me":
            return _is_mine(state, viewer)
        if self.assignee_type == "unassigned":
            return state.assignee is None
        return self.assignee_type != "assigned" or state.assignee is not None


def read_query(
    params: Sequence[tuple[str, str]],
    account: Account,
    *,
    size: int,
    delay: timedelta,
) -> Query:
    """Read the query parameters as Rails does: what cannot be read is nought or ignored.

    Raises NotFound for a team that does not exist.
    """
    given, version = dict(params), account.version
    within = given.get("updated_within")
    return Query(
        tests=tuple(_tests(params, given, account)),
        assignee_type=given.get("assignee_type"),
        updated_within=_to_i(within) if within and can(version, "windows") else None,
        sort_by=given.get("sort_by", ""),
        number=max(1, _to_i(given.get("page", "1"))),
        size=size,
        delay=delay,
        version=version,
    )


def _tests(
    params: Sequence[tuple[str, str]], given: Mapping[str, str], account: Account
) -> list[Callable[[State], bool]]:
    tests: list[Callable[[State], bool]] = []
    status = given.get("status", "open")
    if text := given.get("q"):  # searching turns the status filter off
        tests.append(lambda s: text.lower() in ((s.message and s.message.text) or "").lower())
    elif status != "all":
        tests.append(lambda state: state.status == status)
    if "inbox_id" in given:
        tests.append(lambda state: state.inbox.id == _to_i(given["inbox_id"]))
    if "team_id" in given:
        if all(team.id != given["team_id"] for team in account.teams):
            raise NotFound
        tests.append(lambda s: s.team is not None and s.team.id == given["team_id"])
    labels = {
        label
        for name, text in params
        if name in ("labels", "labels[]")
        for label in text.split(",")
    }
    if labels:
        tests.append(lambda state: bool(labels & set(state.labels)))
    if given.get("conversation_type") == "unattended":
        version = account.version
        tests.append(lambda s: s.first_reply_at is None or set_in(s.stamps, version) is not None)
    elif given.get("conversation_type") in ("mention", "participating"):
        tests.append(lambda state: False)  # no conversation mentions the watcher's user here
    return tests


def _order(name: str, version: Version, now: datetime, delay: float) -> list[tuple[Key, bool]]:
    """Return the sort keys, each with whether it descends; absent priorities and waits come last."""

    def active(state: State) -> datetime:
        return last_activity_at(state, now, delay)

    def created(state: State) -> datetime:
        return state.created_at

    def nulls(descending: bool, value: Key) -> tuple[Key, bool]:
        # NULLS LAST in either direction.
        def key(state: State) -> tuple[bool, Any]:
            got = value(state)
            return (got is not None) if descending else (got is None), got or 0

        return key, descending

    def waiting(state: State) -> float | None:
        stamp = set_in(state.stamps, version)
        return None if stamp is None else stamp.timestamp()

    def priority(state: State) -> int | None:
        return PRIORITIES.get(state.priority or "")

    def unread(state: State) -> bool:
        return bool(unread_count("chatwoot", state, version))

    orders: dict[str, list[tuple[Key, bool]]] = {
        "last_activity_at_desc": [(active, True)],
        "last_activity_at_asc": [(active, False)],
        "created_at_desc": [(created, True)],
        "created_at_asc": [(created, False)],
        "priority_desc": [nulls(True, priority), (active, True)],
        "priority_asc": [nulls(False, priority), (active, True)],
        "priority_desc_created_at_asc": [nulls(True, priority), (created, False)],
        "waiting_since_desc": [nulls(True, waiting), (created, False)],
        "waiting_since_asc": [nulls(False, waiting), (created, False)],
    }
    if can(version, "order by unread"):
        orders["unread"] = [(unread, True), (active, True)]
    default = orders["last_activity_at_desc"]
    return orders.get(name, default) if can(version, "orders") else default


def _is_mine(state: State, viewer: Viewer) -> bool:
    return (
        state.assignee is not None and not state.assignee.bot and state.assignee.id == viewer.user
    )


def _to_i(text: str) -> int:
    """Read a number as Ruby's `to_i` does: the digits at the beginning, else nought."""
    found = re.match(r"\s*[+-]?\d+", text)
    return int(found.group()) if found else 0
