"""What stood long enough: was it told, and does the watcher know it at the end?

Rules: reads a finished run. "Long enough" is through an undisturbed stretch of one sweep interval and
the time of a sweep (`Reign.stands`); a removal needs one sweep more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.support.virtual_time import START
from watcher.model import to_plain

from .chronicle import MAPPED, Chronicle
from .reign import Look
from .truth import FIELDS, Past, Plain, known_attributes, seen_as

__all__ = ["Completeness", "was_known"]

Story = list[tuple[float, bool, Plain | None]]
"""What was believed from when on: (from, there, state)."""

LATE = 70.0
"""Seconds after its end in which a state may still be told: the slowest answer's."""


class Completeness:
    """One reign's chronicle against everything that stood."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle, self.reign = chronicle, chronicle.reign
        self.kind, self.run = chronicle.kind, chronicle.run
        self.baselined, self.wrong = chronicle.baselined, chronicle.wrong

    def check(self) -> None:
        for subject in self.reign.account.conversations:
            self._complete(subject)
        if self.reign.end == float("inf"):
            self._rest()

    def _complete(self, subject: str) -> None:
        past = self.reign.past(subject, mapped=False)
        assert past is not None
        looks = self.chronicle.looks.get(subject, [])
        story = self._told(subject, looks)
        for start, end, there, reason in past.presence():
            if start <= self.baselined or not self.reign.stands(
                start, end, sweeps=1 if there else 2
            ):
                continue
            if there and past.created <= self.baselined and self.kind != "leadping":
                continue  # joins silently
            beliefs = [now for _, now, _ in _within(story, start, end + LATE)]
            if not there and not was_known(story, start, end):
                continue  # it was gone before anybody had to know it
            if there not in beliefs:
                what = "appeared" if there else f"went ({reason})"
                self.wrong(start, f"{subject} {what} and stayed so until {end:.0f}: never told")
        for field in FIELDS:
            self._complete_field(subject, past, field, story)

    def _complete_field(self, subject: str, past: Past, field: str, story: Story) -> None:
        peak, last = -1, None
        for start, end, value in self._runs(subject, past, field):
            # A loss is told after a second look.
            lost = field == "last_message" and last and (not value or value["at"] < last["at"])
            last, sweeps = value, 2 if lost else 1
            long = start > self.baselined and self.reign.stands(start, end, sweeps=sweeps)
            if field == "last_message" and start > self.baselined and value is not None:
                self._prompt(subject, past, (start, end), value, story)
            if field == "unread_count" and value is not None:
                rose, peak = value > peak, value if long else max(peak, value)
                if not rose:
                    continue  # a count that falls is no event
            if not long or start in self.reign.switches:
                continue
            shown = [
                plain for _, _, plain in _within(story, start, end + LATE) if plain is not None
            ]
            if any(plain[field] in (value, ...) for plain in shown):
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

    def _prompt(
        self, subject: str, past: Past, span: tuple[float, float], value: Plain, story: Story
    ) -> None:
        """A message shows in the provider's recent activity: after the first undisturbed stretch of
        a poll it is told, long before a sweep. (Not where listings lied: those mislead polls. Where the
        answer that a poll reads lacked a part of the row, the next one shows it.)
        """
        start, end = span
        written = (
            datetime.fromisoformat(value["at"].replace("Z", "+00:00")) - START
        ).total_seconds() - self.reign.source.clock_off
        limit = self.reign.prompt(start, end)
        if limit is None or written < start - 1.5:
            return  # an older one, which is only seen again
        whole = past.whole_from(start, limit)
        if whole > start and not self.chronicle.shows_again(subject, whole):
            return
        limit = self.reign.prompt(whole, end)
        if limit is None:
            return
        before = [there for at, there, _ in story if at <= start]
        if not before or not before[-1]:
            return  # a new row may be held until the sweep
        shown = [plain for _, _, plain in _within(story, start, limit) if plain is not None]
        if not any(plain["last_message"] in (value, ...) for plain in shown):
            text = f"{subject}: the message {value} of {start:.0f} was not told by {limit:.0f}"
            self.wrong(start, text)

    def _runs(self, subject: str, past: Past, field: str) -> list[tuple[float, float, Any]]:
        if field not in MAPPED or not self.reign.ever_mapped:
            return list(past.runs(field))
        # What changes before a sweep has shown the row with a new mapping is taken over silently.
        found: list[tuple[float, float, Any]] = []
        ends = [start for start, _ in self.reign.maps[1:]] + [self.reign.end]
        for (start, mapped), end in zip(self.reign.maps, ends, strict=True):
            shown = self.reign.past(subject, mapped=mapped)
            assert shown is not None
            found += [
                (a, min(b, end), value)
                for a, b, value in shown.runs(field)
                if start < a < end
                and (start == self.reign.maps[0][0] or self.reign.stands(start, a))
            ]
        return found

    def _told(self, subject: str, looks: list[Look]) -> Story:
        """Return what was believed from when on: (from, there, state)."""
        past = self.reign.past(subject, mapped=False)
        assert past is not None
        like = next((m.plain for m in past.moments if m.plain is not None), None)
        final = self.run.snapshots.get(self.reign.source.name, {}).get(subject)
        if like is None:
            return []
        story: Story = []
        if not looks or "conversation.created" not in looks[0].types:
            first = self._found(subject, past)
            if first is not None:
                pass
            elif looks:
                first = seen_as(self.kind, looks[0].told, like)
                for field in looks[0].changes.keys() & first.keys():
                    first[field] = looks[0].changes[field]["before"]
                first["attributes"] = known_attributes(first["attributes"], like)
            elif final is not None and self.reign.end == float("inf"):
                first = seen_as(self.kind, to_plain(final.conversation), like)
            joined = (self.reign.source.name, subject) in self.run.joined
            story.append((0.0, joined or bool(looks), first))
        unseen = self.chronicle.unshown(subject)
        for look in looks:
            gone = "conversation.removed" in look.types
            unseen = self.chronicle.unseen(subject, look, unseen)
            told = None
            if not gone:
                told = {**seen_as(self.kind, look.told, like), **dict.fromkeys(unseen, ...)}
            story.append((look.seen, not gone, told))
        return story

    def _found(self, subject: str, past: Past) -> Plain | None:
        """Return what the baseline found of a conversation, None where that may be several things."""
        moments = past.moments[max(past.at(self.chronicle.since), 0) : past.at(self.baselined) + 1]
        if subject not in self.chronicle.known or len(moments) != 1 or moments[0].plain is None:
            return None
        unsure = {*moments[0].hidden, *(MAPPED if self.reign.ever_mapped else ())}
        return {**moments[0].plain, **dict.fromkeys(unsure, ...)}

    def _rest(self) -> None:
        """At the quiet end the watcher knows what is there, and nothing else."""
        end = self.run.down[-1][0]
        known = self.run.snapshots[self.reign.source.name]
        living = {c.id: c for c in self.reign.account.living()}
        for subject in sorted(living.keys() ^ known.keys()):
            self.wrong(
                end, f"{subject}: {'not known' if subject in living else 'long gone'} at the end"
            )
        for subject in living.keys() & known.keys():
            past = self.reign.past(subject, mapped=self.reign.maps[-1][1])
            assert past is not None
            moment = past.moments[-1]
            assert moment.plain is not None
            told = seen_as(self.kind, to_plain(known[subject].conversation), moment.plain)
            for field in FIELDS:
                if told[field] != moment.plain[field] and field not in moment.hidden:
                    text = f"{subject}: {field} is {moment.plain[field]} at the end, known: {told[field]}"
                    self.wrong(end, text)


def was_known(story: Story, start: float, end: float) -> bool:
    """Return whether anybody took a conversation to be there that was gone between two times: who is told
    of it after that, because it has come back, has nothing to be told of its absence.
    """
    return any(there for _, there, _ in _within(story, start, end))


def _within(story: Story, start: float, end: float) -> Story:
    """Return what was believed at any time between two times."""
    before = [one for one in story if one[0] <= start]
    return [*before[-1:], *(one for one in story if start < one[0] <= end)]
