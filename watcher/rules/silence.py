"""Silences: what is not told for a while, and why.

Law: pure. A silence whose `match` cannot be evaluated suppresses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from watcher.conditions import Condition, Context, EvaluationError
from watcher.rules.hours import Hours

__all__ = ["Silence", "silenced"]


@dataclass(frozen=True, slots=True)
class Silence:
    """Suppresses the messages that `match`, from `starts` until before `ends` (None: without a
    bound), and with `hours` only within them. `match` sees what conditions see, and `rule`,
    `receiver` and `severity`. `name` is the configuration's or the store's id.
    """

    name: str
    match: Condition
    reason: str = ""
    starts: datetime | None = None
    ends: datetime | None = None
    hours: Hours | None = None

    def lasts(self, at: datetime) -> bool:
        """Tell whether it is in force at an instant."""
        if self.starts is not None and at < self.starts:
            return False
        if self.ends is not None and at >= self.ends:
            return False
        return self.hours is None or self.hours.open(at)


def silenced(silences: Iterable[Silence], known: Context, at: datetime) -> Silence | None:
    """Give the first silence that suppresses a message; `known` is made with `rule`, `receiver`
    and `severity` (`watcher.rules.context`).
    """
    for silence in silences:
        if not silence.lasts(at):
            continue
        try:
            if silence.match.holds(known):
                return silence
        except EvaluationError:
            continue
    return None
