"""Silences: messages that are suppressed for a while, and why.

Rules: pure. A silence whose `match` cannot be evaluated suppresses nothing. Whether one is over is
for callers that have a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticKnownError

from watcher.conditions import (
    Condition,
    Context,
    EvaluationError,
    compile_condition,
)
from watcher.records import StoredSilence
from watcher.rules.hours import Hours
from watcher.rules.wall_clock import OwnZone, own_zone, warn_of_utc
from watcher.rules.where import compiled, one_line
from watcher.settings.base import Context as SettingsContext
from watcher.settings.base import FilledSettings, Mistake, context_of, wrong
from watcher.settings.calendar import UTC_ZONE, format_moment, parse_moment
from watcher.settings.values import Title

__all__ = ["Silence", "added_silence", "silenced"]


def _match(value: Any, info: ValidationInfo) -> Condition:
    if isinstance(value, Condition):
        return value
    context = context_of(info)
    return compiled(
        value,
        context,
        lambda text: compile_condition(
            text, context.conditions, silence=True, zone=context.timezone
        ),
    )


def _moment(value: Any, info: ValidationInfo, *, last: bool = False) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    # Without the right time zone, nothing can be concluded from the text.
    if "timezone" not in info.data:
        return None
    try:
        return parse_moment(value, info.data["timezone"], last=last)
    except ValueError as error:
        raise wrong(str(error), "write 2026-12-24, or 2026-12-24 18:00") from None


def _end(value: Any, info: ValidationInfo) -> datetime | None:
    end = _moment(value, info, last=True)
    start = info.data.get("starts")
    if start is not None and end is not None and end <= start:
        raise wrong("must be later than `from`", "write a later `until`")
    return end


_TEXT = WithJsonSchema({"type": "string", "minLength": 1})


class Silence(FilledSettings):
    """Messages that are not sent for a while, and why."""

    name: Title = Field(description="What people call it.")
    match: Annotated[Condition, PlainValidator(_match), _TEXT] = Field(
        description="A CEL condition over the event, `rule`, `receiver` and `severity`.",
    )
    reason: str = Field(min_length=1, description="Why; shown on what it suppressed.")
    timezone: OwnZone = own_zone("Time zone of `from` and `until`.")
    starts: Annotated[datetime | None, PlainValidator(_moment), _TEXT] = Field(
        default=None, alias="from", description="A date, or a date and a time."
    )
    ends: Annotated[datetime | None, PlainValidator(_end), _TEXT] = Field(
        default=None,
        alias="until",
        description="A date (its end is meant), or a date and a time.",
    )
    hours: Hours | None = Field(default=None, description="Only within these hours.")

    def warnings(self, context: SettingsContext) -> Iterator[Mistake]:
        """Yield what works but is probably not meant."""
        yield from super().warnings(context)
        first = next((key for key, at in (("from", self.starts), ("until", self.ends)) if at), None)
        if first is not None:
            yield from warn_of_utc(self, context, first)
        if self.match.constant is False:
            yield Mistake("is always false: this silence suppresses nothing", "", ("match",))
        if self.ends is None and self.hours is None:
            yield Mistake("never ends", "add `until: 2026-12-24`, or `hours:`", whole=True)

    def lasts(self, at: datetime) -> bool:
        """Return whether it is in force at an instant."""
        if self.starts is not None and at < self.starts:
            return False
        if self.ends is not None and at >= self.ends:
            return False
        return self.hours is None or self.hours.open(at)

    def describe(self) -> str:
        """Describe in one line what it suppresses, when and why."""
        parts = [f"no messages where {one_line(self.match.source)}"]
        if self.starts is not None:
            parts.append(f"from {format_moment(self.starts, self.timezone)}")
        if self.ends is not None:
            parts.append(f"until {format_moment(self.ends, self.timezone)}")
        if self.hours is not None:
            parts.append(self.hours.describe())
        return "; ".join((*parts, f"because: {self.reason}"))


def added_silence(stored: StoredSilence, zone: ZoneInfo | None) -> Silence:
    """Return a silence that was added at run time; raise ExpressionError for a wrong `match`.

    `zone` is the configuration's time zone, None where it has none.
    """
    # The command that added it has checked the rest.
    return Silence.model_construct(
        name=stored.id,
        match=compile_condition(stored.match, silence=True, zone=zone),
        reason=stored.reason,
        starts=stored.starts,
        ends=stored.ends,
        timezone=UTC_ZONE,
    )


def silenced(silences: Iterable[Silence], known: Context, at: datetime) -> Silence | None:
    """Return the first silence that suppresses a message; `known` is made with `rule`, `receiver`
    and `severity` (`watcher.conditions.context`).
    """
    for silence in silences:
        if not silence.lasts(at):
            continue
        try:
            if silence.match.holds(known):
                return silence
        # What cannot be evaluated must not hide messages.
        except EvaluationError:
            continue
    return None
