"""The key `hours`: hours of a week on a wall clock, and when they open next.

Rules: pure. Hours are open exactly while the clock on the wall there shows a time within one of
their windows. So an hour that daylight saving repeats counts twice, one that it leaves out does
not count, and a window whose beginning is left out opens with the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from watcher.model import rfc3339
from watcher.rules.due import Drop, DueMessage, Redirect, Verdict, Wait
from watcher.rules.notify import is_about
from watcher.rules.wall_clock import (
    OwnZone,
    changes_between,
    first_instant,
    instants,
    own_zone,
    warn_of_utc,
)
from watcher.settings.base import Context, FilledSettings, Mistake
from watcher.settings.calendar import DAY, EVERY_DAY, format_days
from watcher.settings.calendar_values import Days, Spans
from watcher.suggest import did_you_mean, listing

if TYPE_CHECKING:
    from watcher.rules.rule import Rule

__all__ = ["Hours", "RuleHours", "Span", "Window"]

_DAYS_AHEAD = 16
"""Days to look ahead for an opening: a week, and one more for what a change of clocks leaves out."""

_SECOND = timedelta(seconds=1)


class Span(NamedTuple):
    """From `start` until before `end`, in minutes of the wall clock after the midnight at which
    each of `days` begins. Where `end` is above 1440 the span reaches into the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def shows(self, day: int, minute: int) -> bool:
        """Return whether a clock that shows this weekday and minute is within the span."""
        if day in self.days and self.start <= minute < self.end:
            return True
        return (day - 1) % 7 in self.days and self.start <= minute + DAY < self.end

    def __str__(self) -> str:
        end = self.end if self.end <= DAY else self.end - DAY
        span = f"{_clock(self.start)}-{_clock(end)}"
        return span if self.days == EVERY_DAY else f"{format_days(self.days)} {span}"


class Window(FilledSettings):
    """One window of the week."""

    days: Days = Field(
        default=EVERY_DAY,
        json_schema_extra={"default": "mon-sun"},
        description="Days on which it begins.",
    )
    between: Spans = Field(description="From when to when, such as 09:00-18:00; several in a list.")


class Hours(FilledSettings):
    """Hours of the week: either `days` and `between`, or several `windows`."""

    days: Days | None = Field(default=None, description="Days of the week, such as mon-fri.")
    between: Spans | None = Field(default=None, description="From when to when: 09:00-18:00.")
    windows: tuple[Window, ...] = Field(
        default=(), description="Several windows, each with `days` and `between`."
    )
    timezone: OwnZone = own_zone("Time zone, such as Europe/Berlin.")

    @classmethod
    def key_clashes(cls, given: Mapping[str, Any]) -> Iterator[Mistake]:
        """Yield what is wrong with the keys that are given together."""
        if given.get("windows") and ("days" in given or "between" in given):
            yield Mistake(
                "has both `windows` and `days` or `between`",
                "put days and between into the windows",
                ("windows",),
                whole=True,
            )
        elif not given.get("windows") and "between" not in given:
            remedy = 'add `between: "09:00-18:00"`; for whole days "00:00-24:00"'
            yield Mistake("does not say when: it lacks `between`", remedy, whole=True)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """All spans of the week."""
        every = EVERY_DAY if self.days is None else self.days
        windows = [(one.days, one.between) for one in self.windows] or [(every, self.between or ())]
        return tuple(Span(days, *span) for days, spans in windows for span in spans)

    def warnings(self, context: Context) -> Iterator[Mistake]:
        """Yield what works but is probably not meant."""
        yield from warn_of_utc(self, context)

    def open(self, at: datetime) -> bool:
        """Return whether an instant is within the hours."""
        local = at.astimezone(self.timezone)
        minute = local.hour * 60 + local.minute
        return any(span.shows(local.weekday(), minute) for span in self.spans)

    def next_opening(self, at: datetime) -> datetime:
        """Return the first instant from `at` on (itself where it is open) within the hours.

        Raise ValueError where there is none, which the configuration does not let happen.
        """
        if self.open(at):
            return at
        at = at.astimezone(UTC)
        for candidates in self._beginnings(at):
            found = [one for one in candidates if one > at and self.open(one)]
            if found:
                return min(found)
        raise ValueError("these hours never open")

    def _beginnings(self, at: datetime) -> Iterator[list[datetime]]:
        """Yield, day by day, where a span can begin: at its start, or as the clock is changed."""
        zone = self.timezone
        today = at.astimezone(zone).date()
        for number in range(_DAYS_AHEAD):
            day = today + timedelta(days=number)
            begins = [
                instant
                for span in self.spans
                if day.weekday() in span.days
                for instant in instants(zone, day, span.start)
            ]
            midnight, next_one = (first_instant(zone, one, 0) for one in (day, _after(day)))
            yield begins + list(changes_between(zone, midnight - _SECOND, next_one))

    def describe(self) -> str:
        """Describe the hours as the configuration has them: `mon-fri 09:00-18:00 (Europe/Berlin)`."""
        return f"{' and '.join(map(str, self.spans))} ({self.timezone.key})"


class RuleHours(Hours):
    """When a rule may send."""

    otherwise: str = Field(
        default="hold",
        min_length=1,
        description="What becomes of a message outside the hours: `hold`, `digest` (held, and sent"
        " as one), `drop`, or a receiver.",
    )

    @property
    def holds(self) -> bool:
        """Whether messages that come due outside the hours wait for the next opening."""
        return self.otherwise in ("hold", "digest")

    @property
    def redirects(self) -> bool:
        """Whether another receiver gets the messages that come due outside the hours."""
        return self.otherwise not in _WORDS

    def when_due(self, due: DueMessage) -> Verdict | None:
        """Return what keeps a message from going out outside the hours, None within them."""
        # What has been redirected is not asked again: the other receiver is the answer.
        if due.delivery.redirected or self.open(due.now):
            return None
        # Whoever was told of a state hears of its end, and nobody else gets that instead.
        if self.holds or due.delivery.kind == "resolved":
            return self._held(due)
        outside = f"outside the hours of the rule {due.rule!r}"
        other = self.otherwise
        if other == "drop":
            return Drop("dropped", f"dropped: {outside}")
        # The message is where it would be sent.
        if other == due.delivery.receiver:
            return None
        # News about a receiver's own trouble cannot reach it.
        if is_about(due.delivery.event, other):
            reason = f"{other} does not get events about itself"
            return Drop("dropped", f"dropped: {outside}, and {reason}")
        return Redirect(other, f"redirected to {other}: {outside}")

    def _held(self, due: DueMessage) -> Wait:
        until = self.next_opening(due.now)
        note = f"held until {rfc3339(until)}: outside the hours of the rule {due.rule!r}"
        # What a receiver gets at one opening is one message, whichever rules held it. A rule's own
        # digest is one already.
        together = self.otherwise == "digest" and due.delivery.kind != "digest"
        return Wait(until, note, f"hours||{rfc3339(until)}" if together else "")

    def conflicts(self, rule: Rule, context: Context) -> Iterator[Mistake]:
        """Yield what contradicts other keys of the rule, or names no receiver."""
        other, loc = self.otherwise, ("hours", "otherwise")
        if not self.redirects:
            return
        receivers = context.names["receiver"] if context.names is not None else None
        if receivers is not None and other not in receivers:
            words = (*_WORDS, *receivers)
            remedy = f"{did_you_mean(other, words)}allowed: {listing(words)}"
            yield Mistake("is neither hold, digest, drop nor a receiver", remedy, loc)
        elif other in rule.notify:
            remedy = "name another receiver, or write hold, digest or drop"
            yield Mistake("names a receiver that `notify` names too", remedy, loc)
        # A digest goes out as a whole, to the receiver for which it was collected.
        elif rule.digest is not None:
            remedy = "write hold or drop, or make two rules"
            yield Mistake("names a receiver, but a digest goes out as a whole", remedy, loc)

    def describe(self) -> str:
        """Describe the hours, and what becomes of a message outside them."""
        otherwise = _WORDS.get(self.otherwise, f"sent to {self.otherwise}")
        return f"only {super().describe()}, otherwise {otherwise}"


_WORDS = {
    "hold": "held until the next opening",
    "digest": "held, and sent as one message at the next opening",
    "drop": "dropped",
}
"""What becomes of a message outside the hours, where no other receiver gets it."""


def _after(day: date) -> date:
    return day + timedelta(days=1)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
