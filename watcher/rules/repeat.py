"""The keys `repeat` and `at_most`: the message goes out again and again while the state lasts.

Rules: pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from watcher.rules.hold_for import check_states
from watcher.settings.base import Mistake
from watcher.settings.durations import format_duration
from watcher.settings.values import Duration

if TYPE_CHECKING:
    from watcher.rules.rule import Rule

__all__ = ["AtMost", "Repeat", "describe", "key_clashes", "next_due"]


def next_due(rule: Rule, begun: datetime, sent: int, now: datetime) -> datetime | None:
    """Return when the message after `sent` ones is due, None where no further one follows.

    Due times lie on a grid that began with the event, at `begun`, so that a message that goes out
    late brings no second one right behind it.
    """
    # The first message is not a repeat.
    if rule.repeat is None or (rule.at_most is not None and sent > rule.at_most):
        return None
    first = begun + rule.wait(1)
    due = first + rule.repeat * ((now - first) // rule.repeat + 1)
    # A clock that was set back is before the first message; the repeat comes after it all the same.
    return max(due, first + rule.repeat)


def key_clashes(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the keys of a rule that say nothing without `repeat`."""
    if "at_most" in given and "repeat" not in given:
        message = "has `at_most` without `repeat`"
        yield Mistake(message, "add `repeat: 30m`", ("at_most",), whole=True)


def describe(rule: Rule) -> str:
    """Describe the repeats of a rule; empty where it has none."""
    if rule.repeat is None:
        return ""
    bounds = {None: "", 1: ", at most once"}
    bound = bounds.get(rule.at_most, f", at most {rule.at_most} times")
    return f"repeated every {format_duration(rule.repeat)} while the state lasts{bound}"


def _checked(value: timedelta, info: ValidationInfo) -> timedelta:
    check_states("repeat", info)
    return value


Repeat = Annotated[Duration, Field(ge=timedelta(seconds=1)), AfterValidator(_checked)]
"""The pause between two messages."""

AtMost = Annotated[int, Field(ge=1)]
"""How many repeats there may be after the first message."""
