"""A source's time under one account: the log of that time in the form in which it is judged.

Rules: reads a finished run. True times are seconds of the run; our clock's are brought to them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.support.virtual_time import START
from watcher.simulator import Account
from watcher.simulator.versions import can

from .plan import FIELDS as KEY_FIELDS
from .plan import KEYS, LIES, SourcePlan, Window
from .run import Entry, Run
from .truth import Past, Plain

__all__ = ["Look", "Reign", "clean_stretch", "reigns", "true_time"]

LISTING_LIES = frozenset({*LIES, "keys"})
SLOWEST = 61.0
"""Seconds that a faulty answer may take and still be read: the transport's deadline."""


@dataclass(slots=True)
class Look:
    """What one commit told of one conversation. `seen` is when the answer came, `at` the commit."""

    seen: float
    at: float
    seq: int
    entries: list[Entry]
    told: Plain
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def types(self) -> list[str]:
        """The types of its events."""
        return [entry.event.type for entry in self.entries]


class Reign:
    """One account under one source's name, from `start` to `end`; `maps` are (from, mapped)."""

    def __init__(self, run: Run, source: SourcePlan, account: Account, start: float) -> None:
        self.run, self.source, self.account = run, source, account
        self.start, self.end = start, float("inf")
        self.maps: list[tuple[float, bool]] = []
        self.entries: list[Entry] = []
        self.kind = account.kind
        self._unclean: list[tuple[float, float]] | None = None
        self._pasts: dict[tuple[str, bool], Past] = {}

    # -- the log ------------------------------------------------------------------------------

    def of(self, kind: str) -> list[Entry]:
        """Return the events of a type."""
        return [entry for entry in self.entries if entry.event.type == kind]

    def looks(self) -> dict[str, list[Look]]:
        """Return the looks at each conversation, in the log's order."""
        found: dict[str, dict[int, Look]] = defaultdict(dict)
        for entry in self.entries:
            event = entry.event
            if event.subject is None:
                continue
            told = event.data["conversation"]
            seen = true_time(self.run, event.time, entry.at)
            look = found[event.subject].setdefault(
                entry.commit, Look(seen, entry.at, entry.seq, [], told)
            )
            look.entries.append(entry)
            look.changes.update(event.data["changes"])
        return {subject: list(looks.values()) for subject, looks in found.items()}

    def joined(self, subject: str, at: float) -> float:
        """Return when a conversation that is known at a time became known."""
        return max(when for when in self.run.joined[self.source.name, subject] if when <= at)

    # -- the truth ----------------------------------------------------------------------------

    def mapped(self, at: float) -> bool:
        """Return whether a mapping held at a time."""
        return [mapped for start, mapped in self.maps if start <= at][-1]

    def remapped(self, start: float, end: float) -> bool:
        """Return whether the mapping changed between two times, were it there and back."""
        return any(start < at <= end for at, _ in self.maps[1:])

    @property
    def ever_mapped(self) -> bool:
        """Whether a mapping held at any time."""
        return any(mapped for _, mapped in self.maps)

    def past(self, subject: str, *, mapped: bool) -> Past | None:
        """Return what stood of a conversation; None where it never existed."""
        key = (subject, mapped)
        if key not in self._pasts:
            conversation = self.account.conversations.get(subject)
            if conversation is None:
                return None
            self._pasts[key] = Past(
                self.account, conversation, mapped=mapped, versions=self.source.versions
            )
        return self._pasts[key]

    # -- what does not count ------------------------------------------------------------------

    @property
    def unclean(self) -> list[tuple[float, float]]:
        """Times of this source in which something failed, or nobody watched, merged."""
        if self._unclean is None:
            weather = self.run.weather[self.source.name]
            spans = sorted([*weather.unclean, *self.run.down])
            merged: list[tuple[float, float]] = []
            for start, end in spans:
                if merged and start <= merged[-1][1]:
                    merged[-1] = (merged[-1][0], max(merged[-1][1], end))
                else:
                    merged.append((start, end))
            self._unclean = merged
        return self._unclean

    def disturbed(self, start: float, end: float) -> bool:
        """Return whether anything failed between two times."""
        return any(a <= end and start <= b for a, b in self.unclean)

    def slack(self, seen: float) -> float:
        """Return how much older than its answer a shown state may be."""
        usual = self.source.latency[1] + self.source.late + self.source.rendering + 0.01
        return usual + SLOWEST if self.disturbed(seen - SLOWEST, seen) else usual

    def doubtful_fields(self, start: float, end: float) -> set[str]:
        """Return the fields whose raw keys were gone from all rows for some of the time."""
        fields = self.unshown(start, end)
        for window in self.run.plan.windows:
            if window.kind == "keys" and window.source == self.source.name and _overlap(
                window, start, end
            ):  # fmt: skip
                fields.update(KEY_FIELDS[window.key])
        return fields

    def unshown(self, start: float, end: float) -> set[str]:
        """Return the fields that the server's version did not have for some of the time."""
        ends = [since for since, _ in self.source.versions[1:]] + [float("inf")]
        old = any(
            since <= end and start <= until and not can(version, "priorities")
            for (since, version), until in zip(self.source.versions, ends, strict=True)
        )
        return {"priority"} if old else set()

    @property
    def switches(self) -> frozenset[float]:
        """When another version was installed: what rows show differently since then is no change."""
        return frozenset(since for since, _ in self.source.versions[1:])

    @property
    def sweep_takes(self) -> float:
        """Seconds that a sweep takes at most while nothing fails, polls in between included."""
        rows = max(len(self.account.conversations), 1)
        pages = rows / max(1, min(self.source.page_size, 25) / 2) + 12
        return 60 + 3 * pages * (self.source.latency[1] + self.source.rendering)

    def stands(self, start: float, end: float, *, sweeps: int = 1) -> bool:
        """Return whether what stood from `start` to `end` had to be seen: through an undisturbed
        stretch of so many sweep intervals, each with the time that a sweep takes, and one begun.
        """
        need = sweeps * (self.source.sweep_every + self.sweep_takes)
        need += self.sweep_takes + self.source.late
        return clean_stretch(self.unclean, max(start, self.start), min(end, self.end)) > need

    def prompt(self, start: float, end: float) -> float | None:
        """Return when a poll must have shown what happened at `start`; None where it did not stand so
        long, or where a listing lied meanwhile: that misleads polls.
        """
        limit = self._prompt(start, end)
        met = self.run.weather[self.source.name].met
        lied = limit and any(start - 1 <= at <= limit and kind in LISTING_LIES for at, kind in met)
        return None if lied else limit

    def _prompt(self, start: float, end: float) -> float | None:
        poll = self.source.poll_every + self.sweep_takes
        need, at = poll + self.source.late, max(start, self.start)
        if any(start - poll <= when <= start + 2 * need for when, _ in self.run.plan.jumps):
            need += (
                poll  # a clock that was set back: the poll after it may ask for too short a time
            )
        if any(start - poll <= when <= start + 2 * need for when in self.switches):
            need += self.source.sweep_every + self.sweep_takes  # what it can do is learned anew
        for begin, over in [*self.unclean, (float("inf"), float("inf"))]:
            if over <= at:
                continue
            if begin - at > need:
                limit = at + need
                return limit if limit < min(end, self.end) else None
            at = max(at, over)
        return None


def _overlap(window: Window, start: float, end: float) -> bool:
    return window.start <= end and start <= window.end


def clean_stretch(unclean: list[tuple[float, float]], start: float, end: float) -> float:
    """Return the longest stretch between two times that touches no unclean one."""
    longest, at = 0.0, start
    for begin, over in unclean:
        if over <= at:
            continue
        if begin >= end:
            break
        longest = max(longest, begin - at)
        at = over
    return max(longest, end - at)


def true_time(run: Run, told: datetime, not_after: float) -> float:
    """Bring a time of our clock to the true one: the latest that it can have meant."""
    seconds = (told - START).total_seconds()
    bounds = [0.0, *(when for when, _ in run.plan.jumps), float("inf")]
    found = [
        seconds - run.offset(start)
        for start, end in pairwise(bounds)
        if start - 0.002 <= seconds - run.offset(start) < end + 0.002
    ]
    fitting = [time for time in found if time <= not_after + 0.002]
    return max(fitting) if fitting else min([not_after, *found])


def reigns(run: Run) -> list[Reign]:
    """Cut the log into the times of one account under one name."""
    found = []
    for source in run.plan.sources:
        mine: list[Reign] = []
        for epoch in run.taken_up(source.name):
            if not mine or mine[-1].account is not epoch.account:
                if mine:
                    mine[-1].end = epoch.start
                mine.append(Reign(run, source, epoch.account, epoch.start))
            mine[-1].maps.append((epoch.start, epoch.mapped))
        for entry in run.log:
            if entry.event.source == source.name and not entry.event.type.startswith("receiver."):
                [reign for reign in mine if reign.start <= entry.at][-1].entries.append(entry)
        found += mine
    return found


assert set(KEY_FIELDS) >= {key for keys in KEYS.values() for key in keys}
