"""The judge: is what the watcher told what happened?

Law: reads a finished run, changes nothing. A report is right when it tells states that really
stood, one after the other; a run is complete when every state that stood long enough was told.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .inbox import Accepted
from .reign import Look, Reign, reigns, true_time
from .run import Run
from .truth import FIELDS, Past, Plain, known_attributes, name_changes, seen_as, silently_equal

__all__ = ["Discrepancy", "judge"]

ALTERNATE = (
    ("source.failing", "source.recovered"),
    ("source.held", "source.released"),
    ("watcher.network_failing", "watcher.network_recovered"),
    ("receiver.failing", "receiver.recovered"),
)
MAPPED = ("disposition", "attributes")
"""What a mapping concerns; when it changes, they are taken over silently."""
TIE = 7.0
"""Seconds: a skew of our clock below five is not corrected, and a `Date` has whole seconds."""


@dataclass(frozen=True, slots=True, order=True)
class Discrepancy:
    """Something that is wrong, at a true time."""

    at: float
    text: str


def judge(run: Run) -> list[Discrepancy]:
    """Give everything that is wrong with a run, the earliest first."""
    found = [Discrepancy(0.0, f"the daemon crashed:\n{crash}") for crash in run.crashes]
    _log(run, found)
    for reign in reigns(run):
        _Chronicle(reign, found).check()
    _deliveries(run, found)
    return sorted(found)


def _log(run: Run, found: list[Discrepancy]) -> None:
    """Nothing that was committed is lost, no id is there twice, states alternate."""
    ids = Counter(recorded.event.id for recorded in run.stored)
    found += [Discrepancy(0.0, f"the id {key} is there twice") for key, n in ids.items() if n > 1]
    if [(r.seq, r.event.body()) for r in run.stored] != [(e.seq, e.event.body()) for e in run.log]:
        found.append(Discrepancy(0.0, "the stored log is not what was committed"))
    for begin, end in ALTERNATE:
        last: dict[str, str] = {}
        for entry in run.log:
            event = entry.event
            if event.type == "source.baselined":
                last.pop(event.source, None)
            if event.type not in (begin, end):
                continue
            if last.get(event.source, end) == event.type:
                text = f"{event.source}: {event.type} follows upon {event.type}"
                found.append(Discrepancy(entry.at, text))
            last[event.source] = event.type
    for entry in run.log:
        if entry.event.type == "source.failing":
            spans = run.weather[entry.event.source].unclean
            if not any(start - 1 <= entry.at <= end + 1800 for start, end in spans):
                text = f"{entry.event.source}: failing, though nothing failed: {entry.event.data}"
                found.append(Discrepancy(entry.at, text))


class _Chronicle:
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

    def check(self) -> None:
        baselines = self.reign.of("source.baselined")
        last = self.reign.end == float("inf")
        if len(baselines) > 1 or (last and not baselines):
            self.wrong(self.reign.start, f"{len(baselines)} baselines of one account")
        if not baselines:
            if self.looks:
                self.wrong(self.reign.start, "events of conversations and no baseline")
            return
        first = baselines[0]
        began = first.event.data["since"]
        self.began = true_time(self.run, _time(began), first.at)
        self.baselined = first.at
        for subject, looks in self.looks.items():
            self._follow(subject, looks, first.seq)
        for subject in self.reign.account.conversations:
            self._complete(subject)
        if last:
            self._rest()

    # -- what was told stood ------------------------------------------------------------------

    def _follow(self, subject: str, looks: list[Look], baseline: int) -> None:
        believed: Plain | None = None
        there: bool | None = None
        index, before = -1, 0.0
        for look in looks:
            past = self.reign.past(subject, mapped=self.reign.mapped(look.at))
            name = f"{subject} at event {look.seq} ({', '.join(look.types)})"
            if past is None:
                self.wrong(look.at, f"{name}: there never was such a conversation")
                return
            if look.seq < baseline:
                self.wrong(look.at, f"{name}: told before the baseline")
            if self.reign.mapped(look.at) != self.reign.mapped(before) if before else False:
                believed = believed and {**believed, **dict.fromkeys(MAPPED, ...)}
            before = look.at
            like = next(m.plain for m in past.moments if m.plain is not None)
            told = seen_as(self.kind, look.told, like)
            if "conversation.removed" in look.types:
                self._removed(look, past, name, believed, told, there)
                believed, there = told, False
                continue
            if "conversation.created" in look.types:
                self._created(look, past, name, told, there)
                old: Plain | None = None
            else:
                if there is False:
                    self.wrong(look.at, f"{name}: told of a conversation that is gone")
                old = self._befores(look, past, name, believed, told, like)
                self._named(look, name, old, told)
            index = self._stood(look, past, name, index, old, told)
            believed, there = told, True

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

    def _created(
        self, look: Look, past: Past, name: str, told: Plain, there: bool | None
    ) -> None:
        returned = bool(look.entries[0].event.data.get("returned"))
        if returned != (there is False):
            self.wrong(look.at, f"{name}: created with returned={returned}")
        wanted = ["conversation.created", *(["conversation.unread"] if told["unread"] else [])]
        if look.types != wanted:
            self.wrong(look.at, f"{name}: created should be {wanted}")
        if returned:
            return
        if there is True:
            self.wrong(look.at, f"{name}: created twice")
        old = past.created < self.began - TIE - self.reign.source.index_delay
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
            elif believed is None and field != "channel" and not self._ever(past, field, before):
                self.wrong(look.at, f"{name}: {field} before {before} never stood")
            old[field] = before
        for field in FIELDS:
            if old[field] is ...:
                old[field] = told[field]
        return old

    def _ever(self, past: Past, field: str, value: object) -> bool:
        return any(value == shown for _, _, shown in past.runs(field))

    def _named(self, look: Look, name: str, old: Plain, told: Plain) -> None:
        """Check the types and their fields against the contract's table."""
        wanted = Counter(name_changes(self.kind, old, told))
        given = Counter(
            (entry.event.type, frozenset(entry.event.data["changes"])) for entry in look.entries
        )
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
        for number in range(first, last + 1):
            moment = past.moments[number]
            if moment.plain is None:
                continue
            differing = [
                field
                for field in FIELDS
                if told[field] != moment.plain[field]
                and not (
                    field in (moment.hidden | doubtful)
                    and (old is None or silently_equal(self.kind, field, old, told))
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

    # -- what stood was told ------------------------------------------------------------------

    def _complete(self, subject: str) -> None:
        past = self.reign.past(subject, mapped=False)
        assert past is not None
        looks = self.looks.get(subject, [])
        story = self._told(subject, looks)
        for start, end, there, reason in past.presence():
            if start <= self.baselined or not self.reign.stands(
                start, end, sweeps=1 if there else 2
            ):
                continue
            if there and past.created <= self.baselined and self.kind != "leadping":
                continue  # joins silently
            told = any(now is there for _, now, _ in _within(story, start, end + 70))
            if not told:
                what = "appeared" if there else f"went ({reason})"
                self.wrong(start, f"{subject} {what} and stayed so until {end:.0f}: never told")
        for field in FIELDS:
            self._complete_field(subject, past, field, story)

    def _complete_field(
        self, subject: str, past: Past, field: str, story: list[tuple[float, bool, Plain | None]]
    ) -> None:
        peak = -1
        for start, end, value, within in self._runs(subject, past, field):
            long = start > self.baselined and self.reign.stands(start, end)
            if field == "unread_count" and value is not None:
                rose, peak = value > peak, value if long else max(peak, value)
                if not rose:
                    continue  # a count that falls is no event
            if not long or not within:
                continue
            shown = [plain for _, _, plain in _within(story, start, end + 70) if plain is not None]
            if any(plain[field] == value for plain in shown):
                continue
            if not shown and past.created <= self.baselined:
                continue
            if field == "last_message" and self.kind == "leadping" and any(
                plain[field] and value and {**plain[field], "at": 0} == {**value, "at": 0}
                for plain in shown
            ):  # fmt: skip
                continue  # the newest event was no message
            self.wrong(
                start,
                f"{subject}: {field} became {value} and stood until {end:.0f}: never told",
            )

    def _runs(self, subject: str, past: Past, field: str) -> list[tuple[float, float, Any, bool]]:
        if field not in MAPPED or len(self.reign.maps) == 1 and not self.reign.maps[0][1]:
            return [(*run, True) for run in past.runs(field)]
        found = []
        ends = [start for start, _ in self.reign.maps[1:]] + [self.reign.end]
        for (start, mapped), end in zip(self.reign.maps, ends, strict=True):
            shown = self.reign.past(subject, mapped=mapped)
            assert shown is not None
            for a, b, value in shown.runs(field):
                if a > start and a < end:
                    found.append((a, min(b, end), value, True))
        return found

    def _told(self, subject: str, looks: list[Look]) -> list[tuple[float, bool, Plain | None]]:
        """Give what was believed from when on: (from, there, state)."""
        past = self.reign.past(subject, mapped=False)
        assert past is not None
        like = next((m.plain for m in past.moments if m.plain is not None), None)
        final = self.run.snapshots.get(self.reign.source.name, {}).get(subject)
        if like is None:
            return []
        story: list[tuple[float, bool, Plain | None]] = []
        if not looks or "conversation.created" not in looks[0].types:
            first: Plain | None = None
            if looks:
                first = seen_as(self.kind, looks[0].told, like)
                for field, sides in looks[0].changes.items():
                    first[field] = sides["before"]
                first["attributes"] = known_attributes(first["attributes"], like)
            elif final is not None and self.reign.end == float("inf"):
                first = seen_as(self.kind, _plain(final.conversation), like)
            known = past.at(self.baselined) >= 0
            story.append((0.0, known or bool(looks), first))
        for look in looks:
            gone = "conversation.removed" in look.types
            told = None if gone else seen_as(self.kind, look.told, like)
            story.append((look.seen, not gone, told))
        return story

    def _rest(self) -> None:
        """At the quiet end the watcher knows what is there, and nothing else."""
        end = self.run.down[-1][0]
        known = self.run.snapshots[self.reign.source.name]
        living = {c.id: c for c in self.reign.account.living()}
        for subject in sorted(living.keys() ^ known.keys()):
            self.wrong(end, f"{subject}: {'not known' if subject in living else 'long gone'} at the end")
        for subject in living.keys() & known.keys():
            past = self.reign.past(subject, mapped=self.reign.maps[-1][1])
            assert past is not None
            moment = past.moments[-1]
            assert moment.plain is not None
            told = seen_as(self.kind, _plain(known[subject].conversation), moment.plain)
            for field in FIELDS:
                if told[field] != moment.plain[field] and field not in moment.hidden:
                    text = f"{subject}: {field} is {moment.plain[field]} at the end, known: {told[field]}"
                    self.wrong(end, text)


def _plain(conversation: Any) -> Plain:
    from watcher.model import to_plain

    return to_plain(conversation)


def _within(
    story: list[tuple[float, bool, Plain | None]], start: float, end: float
) -> list[tuple[float, bool, Plain | None]]:
    """Give what was believed at any time between two times."""
    before = [one for one in story if one[0] <= start]
    return [*before[-1:], *(one for one in story if start < one[0] <= end)]


def _words(changes: Counter[tuple[str, frozenset[str]]]) -> str:
    return ", ".join(sorted(f"{kind}({'+'.join(sorted(fields))})" for kind, fields in changes)) or "none"


def _difference(old: Plain, new: Plain) -> str:
    return json.dumps({f: [old[f], new[f]] for f in FIELDS if old[f] != new[f]}, default=str)


def _time(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00"))


# -- deliveries -----------------------------------------------------------------------------------


def _deliveries(run: Run, found: list[Discrepancy]) -> None:
    end = run.down[-1][0] if run.down else 0.0
    owed = {delivery.key: delivery for delivery in run.outbox}
    for entry in run.log:
        if entry.event.type.startswith("receiver.") and entry.event.source == "crm":
            continue
        if f"{entry.event.id}/crm" not in owed:
            found.append(Discrepancy(entry.at, f"event {entry.seq} is owed to nobody"))
    for name, receiver in run.receivers.items():
        arrived: dict[str, list[Accepted]] = defaultdict(list)
        for one in receiver.accepted:
            arrived[one.id].append(one)
        for delivery in run.outbox:
            if delivery.receiver != name:
                continue
            if delivery.state == "pending":
                found.append(Discrepancy(end, f"{delivery.key} still waits: {delivery.note}"))
            if delivery.state == "delivered" and delivery.id not in arrived:
                found.append(Discrepancy(end, f"{delivery.key} counts as delivered, never came"))
        known = {delivery.id for delivery in run.outbox if delivery.receiver == name}
        for key, times in arrived.items():
            if key not in known:
                found.append(Discrepancy(times[0].at, f"{name} got {key}, which nobody owes"))
            if len({one.digest for one in times}) > 1:
                found.append(Discrepancy(times[1].at, f"{name} got {key} with two bodies"))
            for one, again in zip(times, times[1:], strict=False):
                if not _excused(run, one, again):
                    found.append(Discrepancy(again.at, f"{name} got {key} again without need"))
        _order(run, name, receiver.accepted, found)


def _excused(run: Run, one: Accepted, again: Accepted) -> bool:
    """A repeat needs a reason: the sender could not know, died before it wrote, or its clock moved."""
    return (
        not one.told
        or one.life != again.life
        or any(one.at - 60 <= when <= again.at for when, _ in run.plan.jumps)
    )


def _order(
    run: Run, name: str, accepted: list[Accepted], found: list[Discrepancy]
) -> None:
    """Immediate deliveries of one conversation come in the order of the log."""
    seqs = {entry.event.id: entry for entry in run.log}
    last: dict[tuple[str, str], int] = {}
    seen: set[str] = set()
    for one in accepted:
        entry = seqs.get(one.id)
        if entry is None or one.id in seen or entry.event.subject is None:
            continue
        seen.add(one.id)
        key = (entry.event.source, entry.event.subject)
        if entry.seq < last.get(key, 0):
            text = f"{name} got event {entry.seq} of {key[1]} after event {last[key]}"
            found.append(Discrepancy(one.at, text))
        last[key] = max(entry.seq, last.get(key, 0))


Judge = Callable[[Run], list[Discrepancy]]
