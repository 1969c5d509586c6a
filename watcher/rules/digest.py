"""The key `digest`: events are collected into one message, which goes out at certain times.

Rules: pure. The boundary of a digest follows from the time of the event alone, so that events find
together without looking each other up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from watcher.conditions import Context, EvaluationError
from watcher.rules.grouping import By
from watcher.rules.wall_clock import OwnZone, instants, own_zone, warn_of_utc
from watcher.rules.where import one_line
from watcher.settings.base import Context as SettingsContext
from watcher.settings.base import FilledSettings, Mistake, wrong
from watcher.settings.calendar import DAY, EVERY_DAY, format_days
from watcher.settings.calendar_values import Days, Times
from watcher.settings.durations import format_duration
from watcher.settings.values import Duration

__all__ = ["Digest", "DigestOrDuration", "key_clashes"]

_MINUTE = timedelta(minutes=1)
_DAYS_AHEAD = 16
"""Days to look ahead for a boundary, from yesterday on: a week, and one more."""

_CLASHES = (
    ("for", "`for` waits for one state, `digest` collects whatever comes", "use two rules"),
    ("repeat", "a digest is not repeated", "remove `repeat`, or make two rules"),
    ("resolved", "what a digest collects has no end", "remove `resolved`, or make two rules"),
    ("existing", "a digest collects what happens", "remove `existing`, or make two rules"),
    ("throttle", "a digest is one message however much it collects", "remove `throttle`"),
)


def _divides_a_day(value: timedelta) -> timedelta:
    if value % _MINUTE or timedelta(days=1) % value:
        raise wrong(
            "does not divide a day into equal parts of whole minutes",
            "write 5m, 10m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h or 1d;"
            " for longer times `at` and `days`",
        )
    return value


class Digest(FilledSettings):
    """Collects events into one message, at certain times."""

    every: Annotated[Duration, AfterValidator(_divides_a_day)] | None = Field(
        default=None,
        ge=_MINUTE,
        description="The interval, on the clock: 15m is :00, :15, :30 and :45.",
    )
    at: Annotated[Times, AfterValidator(lambda times: tuple(sorted(times)))] | None = Field(
        default=None, description="At these times of day."
    )
    days: Days = Field(
        default=EVERY_DAY,
        json_schema_extra={"default": "mon-sun"},
        description="Only on these days.",
    )
    by: By | None = Field(default=None, description="A message for each value of this, in CEL.")
    timezone: OwnZone = own_zone("Time zone, such as Europe/Berlin.")

    @classmethod
    def key_clashes(cls, given: Mapping[str, Any]) -> Iterator[Mistake]:
        """Yield what is wrong with the keys that are given together."""
        if "every" not in given and "at" not in given:
            message = "does not say when: it lacks `every` and `at`"
            yield Mistake(message, 'add `every: 15m`, or `at: "09:00"`', whole=True)

    def warnings(self, context: SettingsContext) -> Iterator[Mistake]:
        """Yield what works but is probably not meant."""
        yield from warn_of_utc(self, context)

    def boundary(self, at: datetime) -> datetime:
        """Return the first boundary after an instant, in UTC.

        Boundaries are the multiples of `every` after midnight and the times `at`, both on `days`
        only. A time of day that daylight saving repeats counts once, the first time; one that it leaves
        out comes with the change. Multiples of an hour and less go on through a repeated hour.
        Raise ValueError where there is none, which the configuration does not let happen.
        """
        at = at.astimezone(UTC)
        today = at.astimezone(self.timezone).date()
        for number in range(-1, _DAYS_AHEAD):
            day = today + timedelta(days=number)
            if day.weekday() not in self.days:
                continue
            found = _boundaries(self.timezone, self.every, self.at or (), day)
            if found and found[-1] > at:
                return found[bisect_right(found, at)]
        raise ValueError("this digest has no boundary")

    def group(self, known: Context) -> tuple[str, str]:
        """Return the group that an event is collected in, and what went wrong (empty: nothing).

        Without `by` all events are one group; where it cannot be evaluated, that is the group of
        null.
        """
        if self.by is None:
            return "", ""
        try:
            return self.by.key(known), ""
        except EvaluationError as failure:
            return "null", failure.message

    def describe(self, receivers: str) -> str:
        """Describe when the messages to receivers go out."""
        by = f" for each {one_line(self.by.source)}" if self.by is not None else ""
        times = [f"every {format_duration(self.every)}"] if self.every is not None else []
        if self.at:
            times.append("at " + ", ".join(f"{at:%H:%M}" for at in self.at))
        days = "" if self.days == EVERY_DAY else f" on {format_days(self.days)}"
        when = f"{' and '.join(times)}{days} ({self.timezone.key})"
        return f"collected for {receivers}: one message{by} {when}"


def key_clashes(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the keys of a rule that contradict its `digest`."""
    for key, reason, remedy in _CLASHES:
        if "digest" in given and key in given:
            message = f"has `{key}` and `digest`: {reason}"
            yield Mistake(message, remedy, (key,), whole=True)


@lru_cache(maxsize=64)
def _boundaries(
    zone: ZoneInfo, every: timedelta | None, at: tuple[time, ...], day: date
) -> tuple[datetime, ...]:
    """Return the boundaries of one day in their order: up to 1,440, asked for by every event."""
    minutes = [(one.hour * 60 + one.minute, False) for one in at]
    if every is not None:
        step = every // _MINUTE
        minutes += [(minute, step <= 60) for minute in range(0, DAY, step)]
    found = {
        instant
        for minute, again in minutes
        for instant in instants(zone, day, minute)[: 2 if again else 1]
    }
    return tuple(sorted(found))


DigestOrDuration = Annotated[
    Digest,
    BeforeValidator(
        lambda value: {"every": value} if isinstance(value, str) else value,
        json_schema_input_type=Duration | Digest,
    ),
]
"""A digest, or its `every` alone."""
