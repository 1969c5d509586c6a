"""The truth log: what an ideal watcher, one that looks after every single mutation, reports.

Rules: pure but for the log itself. It compares states in canonical form by the contract's table of
event types, written a second time on purpose: the watcher's diff is judged by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watcher.simulator.contract import CHATWOOT_CAP, canonical, newest_event
from watcher.simulator.state import Account, Kind, Message, State
from watcher.simulator.versions import NEWEST, Version, can

__all__ = ["Truth", "TruthEntry", "differences"]

Fields = dict[str, Any]
Difference = tuple[str, Fields, Fields, Fields]

RIDERS = ("snoozed_until", "archived_at", "archive_reason")
"""Extras that change with the archive flag or the status, and ride on that event."""


@dataclass(frozen=True, slots=True)
class TruthEntry:
    """One event that should be reported."""

    at: datetime
    """When it happened."""

    account: str
    """`Account.key`."""

    conversation: str
    """The conversation's id."""

    type: str
    """The event's type."""

    before: Mapping[str, Any] = field(default_factory=dict)
    """The whole canonical values of the changed top-level keys before it."""

    after: Mapping[str, Any] = field(default_factory=dict)
    """The same after it."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """What the contract puts into `data` in addition: `reason` of a removal, `returned` of a
    conversation that came back, `outcome` of a wait.
    """


class Truth:
    """All entries in the order in which they happened."""

    def __init__(self) -> None:
        self.entries: list[TruthEntry] = []
        self._removed: set[tuple[str, str]] = set()

    def __iter__(self) -> Iterator[TruthEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def find(
        self,
        account: str | None = None,
        conversation: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's name in the contract
        since: datetime | None = None,
    ) -> list[TruthEntry]:
        """Return the entries that agree with everything given."""
        return [
            entry
            for entry in self.entries
            if (account is None or entry.account == account)
            and (conversation is None or entry.conversation == conversation)
            and (type is None or entry.type == type)
            and (since is None or entry.at >= since)
        ]

    def note(self, at: datetime, account: Account, before: State | None, after: State) -> None:
        """Log what a mutation means for a watcher with the account's own token."""
        identity = (account.key, after.id)
        seen_before = before is not None and account.sees(before)
        seen_after = account.sees(after)
        if before is not None and seen_before and seen_after:
            found = differences(account.kind, before, after, account.version)
            for name, old, new, extra in found:
                self.entries.append(TruthEntry(at, *identity, name, old, new, extra))
        elif seen_after and identity not in self._removed and _old(account, after):
            self._late(at, account, after)
        elif seen_after:
            self._created(at, account, after, returned=identity in self._removed)
        elif seen_before:
            reason = "access_lost" if after.gone_at is None else "deleted"
            self._removed.add(identity)
            entry = TruthEntry(at, *identity, "conversation.removed", extra={"reason": reason})
            self.entries.append(entry)

    def _late(self, at: datetime, account: Account, state: State) -> None:
        """Log what is young in a conversation that is older than the account's opening."""
        if state.message is None or state.message.at < account.opened_at:
            return
        message = canonical(account.kind, state, account.version)["last_message"]
        sides = {"last_message": None}, {"last_message": message}
        self._log(at, account, state, "message", sides, {})
        self._holds(at, account, state, {})

    def _created(self, at: datetime, account: Account, state: State, *, returned: bool) -> None:
        extra = {"returned": True} if returned else {}
        self._log(at, account, state, "created", ({}, {}), extra)
        self._holds(at, account, state, extra)

    def _holds(self, at: datetime, account: Account, state: State, extra: Fields) -> None:
        """Log what already holds of a conversation that is seen for the first time."""
        now = canonical(account.kind, state, account.version)
        if now["unread"]:
            self._log(at, account, state, "unread", ({"unread": False}, {"unread": True}), extra)
        if now["waiting_since"] is not None:
            sides = {"waiting_since": None}, {"waiting_since": now["waiting_since"]}
            self._log(at, account, state, "waiting", sides, extra)

    def _log(
        self,
        at: datetime,
        account: Account,
        state: State,
        name: str,
        sides: tuple[Fields, Fields],
        extra: Fields,
    ) -> None:
        entry = TruthEntry(at, account.key, state.id, f"conversation.{name}", *sides, extra)
        self.entries.append(entry)


def differences(
    kind: Kind, before: State, after: State, version: Version = NEWEST
) -> list[Difference]:
    """Return the events between two states of one visible conversation, each as (type, old, new,
    what the event says besides).
    """
    old, new = canonical(kind, before, version), canonical(kind, after, version)

    def cut(name: str, *keys: str) -> Difference:
        changed = [key for key in keys if old[key] != new[key]]
        kept = {key: old[key] for key in changed}, {key: new[key] for key in changed}
        return (f"conversation.{name}", *kept, {})

    found: list[Difference] = []
    ridden: tuple[str, ...] = (
        ("attributes",) if _only_riders(old["attributes"], new["attributes"]) else ()
    )
    edited = ("last_message",) if _edited(before, after) else ()
    if not edited and (old["last_message"] != new["last_message"] or _new_message(before, after)):
        found.append(cut("message", "last_message"))
    if not old["unread"] and new["unread"]:
        found.append(cut("unread", "unread", "unread_count"))
    elif old["unread"] and not new["unread"]:
        found.append(cut("read", "unread", "unread_count"))
    elif old["unread"] and _risen(
        kind, before, after, (old["unread_count"], new["unread_count"]), version
    ):
        found.append(cut("unread", "unread_count"))
    found += _waits(after, old["waiting_since"], new["waiting_since"])
    if _id(old["assignee"]) != _id(new["assignee"]):
        found.append(cut(_assignment(old["assignee"], new["assignee"]), "assignee"))
    if _id(old["team"]) != _id(new["team"]):
        found.append(cut("team_changed", "team"))
    if old["archived"] != new["archived"]:
        name = "archived" if new["archived"] else "unarchived"
        found.append(cut(name, "archived", "status", *ridden))
    elif old["status"] != new["status"]:
        found.append(cut("status_changed", "status", *ridden))
    else:
        ridden = ()
    for name, keys in (
        ("disposition_changed", ("disposition",)),
        ("labels_changed", ("labels",)),
        ("priority_changed", ("priority",)),
        ("contact_changed", ("contact",)),
        ("updated", (*edited, "channel") if ridden else (*edited, "channel", "attributes")),
    ):
        if any(old[key] != new[key] for key in keys):
            found.append(cut(name, *keys))
    return found


def _old(account: Account, state: State) -> bool:
    """Return whether a conversation shows that it was there before the account was watched."""
    return account.kind != "leadping" and state.created_at < account.opened_at


def _waits(after: State, old: str | None, new: str | None) -> list[Difference]:
    """Return the end of one wait and the begin of another, as far as it is not the same one."""
    found: list[Difference] = []
    if old is not None and old != new:
        sides: tuple[Fields, Fields] = {"waiting_since": old}, {"waiting_since": None}
        outcome = "closed" if after.archived else "answered"
        found.append(("conversation.answered", *sides, {"outcome": outcome}))
    if new is not None and old != new:
        sides = {"waiting_since": None}, {"waiting_since": new}
        found.append(("conversation.waiting", *sides, {}))
    return found


def _only_riders(old: Fields, new: Fields) -> bool:
    """Return whether only extras changed that belong to an archive flag or a status."""
    return all(old[key] == new[key] for key in old if key not in RIDERS)


def _risen(
    kind: Kind,
    before: State,
    after: State,
    counts: tuple[int | None, int | None],
    version: Version,
) -> bool:
    """Return whether something new is unread in a conversation that already was.

    A count that rose proves it. Where there is none, any later event that is not an internal note
    does; at Chatwoot's cap, a newer inbound message.
    """
    if kind == "leadping":
        event = newest_event(after)
        note = isinstance(event, Message) and event.direction == "internal"
        return event is not None and event != newest_event(before) and not note
    old, new = counts
    if old is None or new is None:
        return False
    caps = kind == "chatwoot" and can(version, "counts unread to ten")
    capped = caps and old == new == CHATWOOT_CAP
    inbound = after.message is not None and after.message.direction == "inbound"
    return new > old or (capped and inbound and _new_message(before, after))


def _new_message(before: State, after: State) -> bool:
    return after.message is not None and (
        before.message is None or after.message.id != before.message.id
    )


def _edited(before: State, after: State) -> bool:
    """Return whether it is no new message: other words, or an older one (or none) in its place."""
    a, b = before.message, after.message
    if a is None:
        return False
    return b is None or b.id < a.id or (a.id == b.id and a != b)


def _assignment(old: Fields | None, new: Fields | None) -> str:
    if old is None:
        return "assigned"
    return "unassigned" if new is None else "reassigned"


def _id(reference: Fields | None) -> str | None:
    return None if reference is None else str(reference["id"])
