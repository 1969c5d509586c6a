"""What really stood at the providers, and what two states next to each other are called.

Rules: pure. States come from the simulated world's own history in the simulator's own words
(`watcher.simulator.contract`); the table of event types is written here once more, over plain values,
and shares nothing with the watcher's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tests.support.virtual_time import START
from watcher.simulator import Account, Conversation, canonical
from watcher.simulator.contract import newest_event
from watcher.simulator.rendering import filled_in
from watcher.simulator.state import Activity, Kind, Part, State
from watcher.simulator.versions import NEWEST, Version, can

from .story import EDITED

__all__ = [
    "FIELDS",
    "Moment",
    "Past",
    "known_attributes",
    "moved_at",
    "name_changes",
    "seen_as",
    "silently_equal",
]

Plain = dict[str, Any]

FIELDS = (
    "contact", "unread", "unread_count", "assignee", "team", "archived", "status",
    "disposition", "labels", "priority", "last_message", "attributes",
)  # fmt: skip
"""What is compared with the truth. The channel never changes in the simulated world; what a provider
lets a watcher guess of it is no matter here.
"""
CAP = {"chatwoot": 10}
MESSAGES = frozenset({"last_message", "unread", "unread_count"})
LOST: Mapping[Part, frozenset[str]] = {
    "messages": MESSAGES, "newest": MESSAGES, "contact": frozenset({"contact"}),
}  # fmt: skip
"""What a row does not show that lacks a part."""
TOLD_LATER = frozenset({"direction", "type", "automated", "subject"})
"""Parts of a message that never change."""
RIDES = {"archived_at": "archived", "archive_reason": "archived", "snoozed_until": "status"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One state: from `start` on (seconds of the run) until the next one; `plain` None: not seen."""

    start: float
    plain: Plain | None
    reason: str = ""
    hidden: frozenset[str] = frozenset()
    state: State | None = field(default=None, compare=False)


class Past:
    """Everything that stood of one conversation, as a watcher with the account's token sees it.

    `versions` says what its Chatwoot ran since when: what rows show of a state depends on it.

    A moment in which a row lacked a part is kept even if it stood for no time at all: a server that answers
    at once shows it in one answer. Of a row that is seen for the first time in that answer nobody can
    know what it lacks (the contract's law is of what a conversation *lost*), so it is told as it is shown.
    """

    def __init__(
        self,
        account: Account,
        conversation: Conversation,
        *,
        mapped: bool,
        versions: Sequence[tuple[float, Version]] = ((0.0, NEWEST),),
    ) -> None:
        self.kind = account.kind
        self.id = conversation.id
        self._account, self._mapped, self._versions = account, mapped, versions
        self.created = _seconds(conversation.history[0][1].created_at - account.clock_off)
        self.moments: list[Moment] = []
        for at, state in _states(conversation, versions):
            moment = self._moment(at, state)
            if self._replaces(moment):
                self.moments[-1] = moment  # stood for no time at all
            elif not self.moments or _differs(self.moments[-1], moment):
                self.moments.append(moment)
        self._starts = [moment.start for moment in self.moments]

    def _replaces(self, moment: Moment) -> bool:
        last = self.moments[-1] if self.moments else None
        return last is not None and last.start == moment.start and not _is_torn(last)

    def at(self, time: float) -> int:
        """Return the index of the moment at a time; -1 before the first."""
        return bisect_right(self._starts, time) - 1

    def end(self, index: int) -> float:
        """Return when a moment ended."""
        after = index + 1
        return self.moments[after].start if after < len(self.moments) else float("inf")

    def runs(self, field: str) -> Iterator[tuple[float, float, Any]]:
        """Return the stretches in which a field showed one value, as (from, until, value); what is
        hidden continues what was shown.
        """
        start, value, shown = 0.0, None, False
        for index, moment in enumerate(self.moments):
            if self.end(index) == moment.start:
                continue  # one torn answer interrupts nothing
            if moment.plain is None:
                if shown:
                    yield start, moment.start, value
                shown = False
                continue
            if field in moment.hidden:
                if shown:
                    yield start, moment.start, value
                shown = False
                continue
            if shown and moment.plain[field] == value:
                continue
            if shown:
                yield start, moment.start, value
            start, value, shown = moment.start, moment.plain[field], True
        if shown:
            yield start, float("inf"), value

    def whole_from(self, start: float, limit: float) -> float:
        """Return when a row last became whole between two times, the first where it lacked nothing."""
        return max((end for _, end, _ in self.torn() if start <= end <= limit), default=start)

    def torn(self) -> Iterator[tuple[float, float, frozenset[Part]]]:
        """Return when its row lacked parts, and which, as (from, until, parts)."""
        for index, one in enumerate(self.moments):
            if one.state is not None and one.state.torn:
                yield one.start, self.end(index), one.state.torn

    def torn_since(self, start: float) -> Iterator[Plain]:
        """Return what rows showed that lacked a part, from a time on."""
        for index, moment in enumerate(self.moments):
            if _is_torn(moment) and moment.start >= start:
                shown = self.mixed(index, index)
                if shown is not None and shown.plain is not None:
                    yield shown.plain

    def presence(self) -> Iterator[tuple[float, float, bool, str]]:
        """Return the stretches in which it could be seen, or could not, with the reason."""
        for index, moment in enumerate(self.moments):
            there = moment.plain is not None
            if index and (self.moments[index - 1].plain is not None) == there:
                continue
            last = index
            while (
                last + 1 < len(self.moments) and (self.moments[last + 1].plain is not None) == there
            ):
                last += 1
            yield moment.start, self.end(last), there, moment.reason

    def mixed(self, first: int, last: int, counted: int | None = None) -> Moment | None:
        """Return what a row shows that was chosen in one moment and whose lines were read in a later one;
        None where nothing was there to be chosen.

        What is unread was `counted` before the lines were read, by default in the same moment. So a row may
        show a newer message beside a count from before it. That is no torn answer by the contract, which has
        nothing newer in the place of what is lost: the count did stand since the last look, and that it
        fell is told (a `read` that did happen), as is that it rose again by the next look.
        """
        columns, lines = self.moments[first], self.moments[last]
        counts = lines if counted is None else self.moments[counted]
        if columns.plain is None or columns.state is None or lines.state is None:
            return None
        gone = lines.state.gone_at is not None
        state = filled_in(columns.state, counts.state, lines.state)
        shown = self._moment(columns.start, replace(state, torn=lines.state.torn))
        return replace(shown, hidden=shown.hidden | LOST["messages"]) if gone else shown

    def _moment(self, at: float, state: State) -> Moment:
        if not self._account.sees(state):
            reason = "access_lost" if state.gone_at is None else "deleted"
            return Moment(at, None, reason, state=state)
        version = [version for since, version in self._versions if since <= max(at, 0.0)][-1]
        plain = canonical(self.kind, state, version)
        hidden: frozenset[str] = frozenset().union(*(LOST[part] for part in state.torn))
        if self.kind == "highlevel" and isinstance(newest_event(state), Activity):
            hidden |= {"last_message"}  # the row shows the newest line alone
        if not can(version, "priorities"):
            hidden |= {"priority"}
        if self._mapped:
            outcome = state.attributes.get("outcome")
            rest = {key: value for key, value in state.attributes.items() if key != "outcome"}
            plain["attributes"] = {**plain["attributes"], "custom_attributes": rest}
            plain["disposition"] = None if outcome is None else _label(outcome)
        return Moment(at, plain, hidden=hidden, state=state)


def _states(
    conversation: Conversation, versions: Sequence[tuple[float, Version]]
) -> list[tuple[float, State]]:
    """Return the states of a conversation, and each once more that stood when a version was installed."""
    states = [(_seconds(at), state) for at, state in conversation.history]
    for since, _ in versions[1:]:
        before = [state for at, state in states if at <= since]
        states += [(since, state) for state in before[-1:]]
        states.sort(key=lambda pair: pair[0])
    return states


def _label(value: object) -> Plain:
    return {
        "id": None, "label": str(value), "outcome": None, "changed_at": None, "changed_by": None,
    }  # fmt: skip


def _is_torn(moment: Moment) -> bool:
    return moment.state is not None and bool(moment.state.torn)


def _differs(a: Moment, b: Moment) -> bool:
    return (a.plain, a.reason, a.hidden) != (b.plain, b.reason, b.hidden)


def _seconds(at: datetime) -> float:
    return (at - START).total_seconds()


def moved_at(kind: Kind, state: State) -> float:
    """Return when the row of a state last moved in the provider's recent activity.

    Chatwoot's `updated_at` moves with whatever a person or the service changes. Elsewhere the newest line's
    time alone counts: at HighLevel neither `inbox` nor `deleted` moves it, and no filter knows them.
    (What polls see: docs/guarantees.md.)
    """
    if kind == "chatwoot":
        return _seconds(state.updated_at)
    line = newest_event(state)
    return _seconds(state.created_at if line is None else line.at)


def seen_as(kind: str, told: Mapping[str, Any], like: Plain) -> Plain:
    """Bring an event's conversation into the simulator's form: the fields and attributes it knows."""
    plain = {field: told[field] for field in (*FIELDS, "channel")}
    plain["attributes"] = known_attributes(told["attributes"], like)
    return plain


def known_attributes(told: Mapping[str, Any], like: Plain) -> Plain:
    """Return the attributes that the simulator knows; an empty object may be told as nothing."""
    known = {key: told.get(key) for key in like["attributes"]}
    if known.get("custom_attributes", ...) is None:
        known["custom_attributes"] = {}
    return known


def silently_equal(kind: str, field: str, old: Plain, new: Plain) -> bool:
    """Return whether a field is the same, or changed in a way that is no event."""
    a, b = old[field], new[field]
    if a == b:
        return True
    if field == "unread_count":
        fell = a is not None and b is not None and b < a
        return bool(old["unread"] and new["unread"] and fell)
    if field == "last_message" and _told_later(a, b):
        return True
    if field == "last_message" and kind == "leadping" and a is not None and b is not None:
        # The newest event may be no message at all: a disposition, an archiving.
        explained = old["disposition"] != new["disposition"] or old["archived"] != new["archived"]
        return explained and {**a, "at": None} == {**b, "at": None}
    return False


def _told_later(a: Plain | None, b: Plain | None) -> bool:
    """Return whether one message is told with more than before: no provider changes what a message is, so
    what was null was not shown (a later mail gives a Chatwoot conversation the subject that all of its
    rows show), and is shown for the first time, which is no event by the contract.
    """
    if a is None or b is None or (a["at"], a["text"]) != (b["at"], b["text"]):
        return False
    return all(
        a[key] == b[key] or (key in TOLD_LATER and a[key] is None) for key in a.keys() | b.keys()
    )


def name_changes(kind: str, old: Plain, new: Plain) -> list[tuple[str, frozenset[str]]]:
    """Return the events between two states, each as (type, its fields), by the contract's table."""
    found: list[tuple[str, tuple[str, ...]]] = []
    changed = {
        field for field in (*FIELDS, "channel") if old[field] != new[field]
        and not silently_equal(kind, field, old, new)
    }  # fmt: skip
    edited = ("last_message",) if "last_message" in changed and _edited(old, new) else ()
    if "last_message" in changed and not edited:
        fields = ("last_message", "channel") if "channel" in changed else ("last_message",)
        found.append(("message", fields))
        changed -= {"channel"}
    count = ("unread_count",) if old["unread_count"] != new["unread_count"] else ()
    if old["unread"] != new["unread"]:
        found.append(("unread" if new["unread"] else "read", ("unread", *count)))
    elif new["unread"] and _more(kind, old, new):
        rose = count if (new["unread_count"] or 0) > (old["unread_count"] or 0) else ()
        found.append(("unread", rose))
    if _id(old["assignee"]) != _id(new["assignee"]):
        kinds = (old["assignee"] is None, new["assignee"] is None)
        name = {(True, False): "assigned", (False, True): "unassigned"}.get(kinds, "reassigned")
        found.append((name, ("assignee",)))
    if _id(old["team"]) != _id(new["team"]):
        found.append(("team_changed", ("team",)))
    ridden = _ridden(old, new)
    if "archived" in changed:
        with_status = ("status",) if "status" in changed else ()
        riders = ("attributes",) if ridden else ()
        name = "archived" if new["archived"] else "unarchived"
        found.append((name, ("archived", *with_status, *riders)))
    elif "status" in changed:
        riders = ("attributes",) if "status" in ridden else ()
        found.append(("status_changed", ("status", *riders)))
    found += [
        (f"{field}_changed", (field,))
        for field in ("disposition", "labels", "priority", "contact")
        if field in changed
    ]
    told = {field for _, fields in found for field in fields}
    rest = tuple(field for field in (*edited, "channel", "attributes") if field in changed - told)
    if rest:
        found.append(("updated", rest))
    return [(f"conversation.{name}", frozenset(fields)) for name, fields in found]


def _edited(old: Plain, new: Plain) -> bool:
    """Return whether it is no new message: the same in other words (an edit only adds to them, `EDITED`),
    or an older one, or none, in its place.
    """
    a, b = old["last_message"], new["last_message"]
    if a is None:
        return False
    if b is None or b["at"] < a["at"]:
        return True
    if a["at"] != b["at"]:
        return False
    if b["text"] is None and not b["attachments"]:
        return True  # Leadping's form of none: the time of another event alone
    shorter, longer = sorted((a["text"] or "", b["text"] or ""), key=len)
    return longer != shorter and longer.replace(EDITED, "") == shorter.replace(EDITED, "")


def _more(kind: str, old: Plain, new: Plain) -> bool:
    """Return whether something new is unread where something was unread before. Where no count tells, a newer
    message does by the contract, and so does another one of the same millisecond, which is told as new:
    a greeting that follows upon the customer's words within the moment.
    """
    a, b = old["unread_count"], new["unread_count"]
    message, before = new["last_message"], old["last_message"]
    later = message is not None and (before is None or message["at"] > before["at"])
    if message is not None and before is not None and message["at"] == before["at"]:
        later = message["text"] != before["text"] and not _edited(old, new)
    if a is not None and b is not None:
        if b > a:
            return True
        inbound = message is not None and message["direction"] == "inbound"
        return a == b == CAP.get(kind) and inbound and message != before and not _edited(old, new)
    return bool(later and message["direction"] != "internal")


def _ridden(old: Plain, new: Plain) -> frozenset[str]:
    a, b = old["attributes"], new["attributes"]
    changed = {key for key in a if a[key] != b[key]}
    return frozenset(RIDES[key] for key in changed) if changed <= RIDES.keys() else frozenset()


def _id(reference: Plain | None) -> str | None:
    return None if reference is None else reference["id"]
