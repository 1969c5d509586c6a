"""What was told of one account, look by look: did it stand, and is it called by its name?

Rules: reads a finished run. Each look (what one commit told of one conversation) must show a moment
that really was, not before the one that the last look showed; its events are the difference.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.support.virtual_time import START

from .reign import Look, Reign, true_time
from .truth import (
    FIELDS,
    Moment,
    Past,
    Plain,
    known_attributes,
    moved_at,
    name_changes,
    seen_as,
    silently_equal,
)
from .verdict import Discrepancy

__all__ = ["MAPPED", "TIE", "Chronicle", "came_late", "is_losing"]

MAPPED = ("disposition", "attributes")
"""What a mapping concerns; when it changes, they are taken over silently."""
TIE = 7.0
"""Seconds: a skew of our clock below five is not corrected, and a `Date` has whole seconds."""
AGAIN = 60.0
"""Seconds before the last poll that each poll reads again where polls are a minute apart, as all here are."""
UNTOLD = 2 * 25 * 3600.0
"""Seconds before the baseline's beginning in which a stamp may seem to be after it, where no answer tells the
clock that dates the rows: it may be a day off, and is taken to be, so that nothing new is hidden.
"""
LEAVES = {"contact": "email", "attributes": "starred"}
"""Fields of which one part alone has a key that may vanish from all rows (`plan.KEYS`)."""
WAITS = frozenset({"conversation.waiting", "conversation.answered"})
"""What follows from a conversation's history and not from two of its states: `waits` judges it."""


class Chronicle:
    """One reign against the truth."""

    def __init__(self, reign: Reign, found: list[Discrepancy]) -> None:
        self.reign, self.found = reign, found
        self.kind = reign.kind
        self.run = reign.run
        self.looks = reign.looks()
        # What may change without an event: a count that falls; Leadping's time of any event.
        self._quiet = {"unread_count", *(["last_message"] if self.kind == "leadping" else [])}

    def wrong(self, at: float, text: str) -> None:
        self.found.append(Discrepancy(at, f"{self.reign.source.name} ({self.kind}): {text}"))

    def check(self) -> bool:
        """Check everything that was told; False where nothing can be said of what was not."""
        baselines = self.reign.of("source.baselined")
        last = self.reign.end == float("inf")
        if len(baselines) > 1 or (last and not baselines):
            self.wrong(self.reign.start, f"{len(baselines)} baselines of one account")
        if not baselines:
            if self.looks:
                self.wrong(self.reign.start, "events of conversations and no baseline")
            return False
        first = baselines[0]
        began = first.event.data["since"]
        self.began = true_time(
            self.run, datetime.fromisoformat(began.replace("Z", "+00:00")), first.at
        )
        self.baselined = first.at
        self.since = self.began - self.reign.slack(self.began)
        self.known = self.run.baselines[first.seq]
        told = self.kind == "chatwoot" and not self.reign.disturbed(self.since, self.baselined)
        self.doubt = 0.0 if told else UNTOLD
        for subject, looks in self.looks.items():
            self._follow(subject, looks, first.seq)
        return True

    # -- what polls show ----------------------------------------------------------------------

    def shows_again(self, subject: str, whole: float) -> bool:
        """Return whether polls show a row once more that was whole again at a time: the one before had read
        it without messages.

        They read again what moved in the minute before the last one, and look up what lost a message that
        was known. A row that lacks no more than its newest message, or one that is seen for the first
        time, looks like any other: then a sweep shows the rest (docs/guarantees.md).
        """
        past = self.reign.past(subject, mapped=False)
        state = self.reign.account.conversations[subject].as_of(START + timedelta(seconds=whole))
        assert past is not None
        assert state is not None
        source = self.reign.source
        moved = moved_at(self.kind, state) - source.clock_off
        if whole - moved <= AGAIN - source.latency[1] - source.late:
            return True
        empty = [start for start, end, torn in past.torn() if end == whole and "messages" in torn]
        return any(self._knew_message(subject, past, start) for start in empty)

    def _knew_message(self, subject: str, past: Past, at: float) -> bool:
        """Return whether a last message was known before a time."""
        looks = [look for look in self.looks.get(subject, []) if look.seen < at]
        if looks:
            return looks[-1].told["last_message"] is not None
        found = past.moments[past.at(self.baselined)].plain if subject in self.known else None
        return found is not None and found["last_message"] is not None

    # -- what was told stood ------------------------------------------------------------------

    def _follow(self, subject: str, looks: list[Look], baseline: int) -> None:
        believed: Plain | None = None
        there: bool | None = None
        index, before = -1, 0.0
        unseen = self.unshown(subject)
        for look in looks:
            past = self.reign.past(subject, mapped=self.reign.mapped(look.at))
            name = f"{subject} at event {look.seq} ({', '.join(look.types)})"
            if past is None:
                self.wrong(look.at, f"{name}: there never was such a conversation")
                return
            if look.seq < baseline:
                self.wrong(look.at, f"{name}: told before the baseline")
            if before and self.reign.remapped(before, look.at):
                believed = believed and {**believed, **dict.fromkeys(MAPPED, ...)}
            before = look.at
            like = next(m.plain for m in past.moments if m.plain is not None)
            told = seen_as(self.kind, look.told, like)
            unseen = self.unseen(subject, look, unseen)
            if "conversation.removed" in look.types:
                self._removed(look, past, name, believed, told, there)
                believed, there = told, False
                continue
            if "conversation.created" in look.types:
                self._created(look, past, name, told, there)
                old: Plain | None = None
            elif there is None and subject not in self.known and came_late(look):
                old = None  # `late` judges what is told of it
            else:
                if there is False:
                    self.wrong(look.at, f"{name}: told of a conversation that is gone")
                old = self._befores(look, past, name, believed, told, like)
                self._named(look, name, old, told, known=believed is not None)
            index = self._stood(look, past, name, index, old, told)
            believed, there = {**told, **dict.fromkeys(unseen, ...)}, True

    def unshown(self, subject: str) -> set[str]:
        """Return the fields that the version had not of whose rows the baseline was taken."""
        baseline = self.reign.unshown(self.since, self.baselined)
        return baseline if subject in self.known else set()

    def unseen(self, subject: str, look: Look, before: set[str]) -> set[str]:
        """Return the fields that no row has shown since the conversation joined: their first value is
        taken over silently, as the contract has it of what is shown for the first time.
        """
        doubtful = self._doubtful(look.seen)
        if "conversation.created" in look.types:
            return doubtful
        # What came late joined without `created`, and perhaps long before something was told of it.
        if subject not in self.known and look is self.looks[subject][0]:
            return doubtful & self._doubtful(self.reign.joined(subject, look.at))
        return doubtful & before

    def _doubtful(self, seen: float) -> set[str]:
        return self.reign.doubtful_fields(seen - self.reign.slack(seen), seen)

    def _removed(
        self, look: Look, past: Past, name: str, believed: Plain | None, told: Plain,
        there: bool | None,
    ) -> None:  # fmt: skip
        if there is False:
            self.wrong(look.at, f"{name}: removed twice")
        low = past.at(look.seen - self.reign.slack(look.seen))
        moments = past.moments[max(low, 0) : past.at(look.seen + 0.002) + 1]
        gone = [moment.reason for moment in moments if moment.plain is None]
        reason = look.entries[0].event.data["reason"]
        if not gone:
            self.wrong(look.at, f"{name}: told as removed ({reason}), and it is there")
        elif reason not in gone:
            self.wrong(look.at, f"{name}: removed for {reason}, in truth {gone}")
        if len(look.types) > 1 or look.changes:
            self.wrong(look.at, f"{name}: a removal with changes")

    def _created(self, look: Look, past: Past, name: str, told: Plain, there: bool | None) -> None:
        returned = bool(look.entries[0].event.data.get("returned"))
        if returned != (there is False):
            self.wrong(look.at, f"{name}: created with returned={returned}")
        wanted = ["conversation.created", *(["conversation.unread"] if told["unread"] else [])]
        if [kind for kind in look.types if kind not in WAITS] != wanted:
            self.wrong(look.at, f"{name}: created should be {wanted}")
        if returned:
            return
        if there is True:
            self.wrong(look.at, f"{name}: created twice")
        old = past.created < self.began - TIE - self.reign.source.late - self.doubt
        if self.kind == "leadping":
            stood = any(
                start <= self.began - 1 and end >= self.baselined and seen
                for start, end, seen, _ in past.presence()
            )
            old = stood and not self.reign.disturbed(self.began - 1, self.baselined)
        if old:
            self.wrong(look.at, f"{name}: created, and it was there before the baseline began")

    def _befores(
        self, look: Look, past: Past, name: str, believed: Plain | None, told: Plain, like: Plain
    ) -> Plain:
        """Check each `before` and `after`; gives the state that the changes begin from."""
        old = dict(believed) if believed is not None else dict(told)
        for field, sides in look.changes.items():
            if field == "waiting_since":
                continue
            before, after = sides["before"], sides["after"]
            if field == "attributes":
                before = known_attributes(before, like)
                after = known_attributes(after, like)
            if after != told[field]:
                self.wrong(look.at, f"{name}: {field} after {after} is not {told[field]}")
            if believed is not None and before != old[field] and old[field] is not ...:
                silent = silently_equal(self.kind, field, old, {**old, field: before})
                quiet = field in self._quiet and self._ever(past, field, before)
                if not silent and not quiet:
                    self.wrong(look.at, f"{name}: {field} before {before}, told last: {old[field]}")
            elif (
                believed is None
                and field != "channel"
                and not self._since(past, field, before)
                and (before is not None or not self._hidden(past, field, look.seen))
            ):
                text = f"{field} before {before} has not stood since the baseline"
                self.wrong(look.at, f"{name}: {text}")
            old[field] = before
        for field in FIELDS:
            if old[field] is ...:
                old[field] = told[field]
        return old

    def _left_out(self, plain: Plain) -> frozenset[str]:
        """Return what the row of a state leaves out and may be doubted of: HighLevel's rows have no
        assignee when there is none. Where no row of a page has one, the old one stands until the
        rest of the walk has been read.
        """
        gone = self.kind == "highlevel" and plain["assignee"] is None
        return frozenset({"assignee"}) if gone else frozenset()

    def _ever(self, past: Past, field: str, value: object) -> bool:
        return any(value == shown for _, _, shown in past.runs(field))

    def _since(self, past: Past, field: str, value: object) -> bool:
        """Return whether a value stood after the baseline began, or was shown by a torn answer: what was
        found is the first belief, also of what came late.
        """
        stood = any(value == shown and end >= self.since for _, end, shown in past.runs(field))
        return stood or any(value == shown.get(field) for shown in past.torn_since(self.since))

    def _hidden(self, past: Past, field: str, until: float) -> bool:
        """Return whether no row may have shown a field since the baseline began."""
        indices = range(max(past.at(self.since), 0), past.at(until) + 1)
        return any(field in past.moments[index].hidden for index in indices)

    def _named(self, look: Look, name: str, old: Plain, told: Plain, *, known: bool) -> None:
        """Check the types and their fields against the contract's table. Where only the baseline
        knew it before (not `known`), Leadping's time of the last event may have moved silently.
        """
        wanted = _without_channel(name_changes(self.kind, old, told))
        given = _without_channel(
            (entry.event.type, frozenset(entry.event.data["changes"]))
            for entry in look.entries
            if entry.event.type not in WAITS
        )
        later = ("conversation.unread", frozenset[str]())
        if self.kind == "leadping" and not known and not wanted[later]:
            del given[later]
        if wanted != given:
            self.wrong(
                look.at,
                f"{name}: told {_words(given)}, but the change is {_words(wanted)}: "
                f"{_difference(old, told)}",
            )

    def _stood(
        self, look: Look, past: Past, name: str, index: int, old: Plain | None, told: Plain
    ) -> int:
        """Find the moment that the look showed, not before the last one's; gives its index."""
        low = look.seen - self.reign.slack(look.seen)
        first, last = max(past.at(low), index, 0), past.at(look.seen + 0.002)
        doubtful = self.reign.doubtful_fields(low, look.seen)
        nearest: list[str] = []
        for number, moment in self._shown(past, first, last):
            if moment.plain is None:
                continue
            written = self._written(moment)
            differing = [
                field
                for field in FIELDS
                if told[field] != moment.plain[field]
                and not (old and is_losing(field, old, told, moment.plain, written))
                and not (
                    field in (moment.hidden | doubtful | self._left_out(moment.plain))
                    and (
                        old is None
                        or silently_equal(self.kind, field, old, told)
                        or _but_for_leaf(field, old, told, moment.plain)
                    )
                )
            ]
            if not differing:
                return number
            nearest = [
                f"{field} is told as {told[field]}, is {moment.plain[field]}" for field in differing
            ]
        reason = "; ".join(nearest) if nearest else "it is not there, or an older state is told"
        self.wrong(look.at, f"{name}: never stood when it was seen: {reason}")
        return index

    def _written(self, moment: Moment) -> datetime | None:
        """Return when the last words of a moment were written, where a row shows a later event's time."""
        message = moment.state.message if moment.state is not None else None
        return message.at if message is not None and self.kind == "leadping" else None

    def _shown(self, past: Past, first: int, last: int) -> Iterator[tuple[int, Moment]]:
        """Return what rows may show of some moments, each with its number: the moments, and what a page
        shows whose rows are chosen in one, counted in another and filled in in a third. A row is not of one
        instant, so no moment need have stood as a whole; what it lacks for that is not told.
        """
        rendering = self.reign.source.rendering
        for number in range(first, last + 1):
            yield number, past.moments[number]
            for later in range(number + 1, last + 1):
                if past.moments[later].start - past.end(number) > rendering:
                    break
                # What answers in one instant counts when it reads the lines.
                for counted in range(later, number - 1 if rendering else later - 1, -1):
                    if (mixed := past.mixed(number, later, counted)) is not None:
                        yield number, mixed


def came_late(look: Look) -> bool:
    """Return whether a look tells of a row that was never known what is young in it."""
    return look.changes.get("last_message", {}).get("before", ...) is None


def is_losing(
    field: str, old: Plain, told: Plain, plain: Plain, written: datetime | None = None
) -> bool:
    """Return whether the last message that is told is gone, with an older one or none in its place: the
    contract has that told after a minute and two looks, and whatever else changed at once.

    Leadping shows no words, or words that were `written` before it, at the time of a later event. All that
    was written until then could be seen when the message was told with that time: what takes its place
    is older.
    """
    if field != "last_message" or told[field] is None or told[field] != old[field]:
        return False
    now = plain[field]
    if now is None or now["at"] < told[field]["at"]:
        return True
    if now["at"] != told[field]["at"] or now["text"] == told[field]["text"]:
        return False
    if now["text"] is None:
        return True
    return written is not None and written < datetime.fromisoformat(
        now["at"].replace("Z", "+00:00")
    )


def _but_for_leaf(field: str, old: Plain, told: Plain, plain: Plain) -> bool:
    """Return whether a field is the true one but for the part whose key may vanish from all rows: that
    stays what it was when rows had it.
    """
    leaf = LEAVES.get(field)
    if leaf is None:
        return False
    shown, true = dict(told[field] or {}), dict(plain[field] or {})
    kept = shown.pop(leaf, None) == (old[field] or {}).get(leaf)
    true.pop(leaf, None)
    return kept and shown == true


def _without_channel(changes: Iterable[tuple[str, frozenset[str]]]) -> Counter[Any]:
    """Leave the channel out, which never changes in truth: a watcher may learn of it late."""
    alone = ("conversation.updated", frozenset({"channel"}))
    return Counter(
        (kind, fields - {"channel"}) for kind, fields in changes if (kind, fields) != alone
    )


def _words(changes: Counter[tuple[str, frozenset[str]]]) -> str:
    told = sorted(f"{kind}({'+'.join(sorted(fields))})" for kind, fields in changes)
    return ", ".join(told) or "none"


def _difference(old: Plain, new: Plain) -> str:
    return json.dumps({f: [old[f], new[f]] for f in FIELDS if old[f] != new[f]}, default=str)
