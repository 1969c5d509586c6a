"""The key `for`: the message goes out only if the state has lasted for a while.

Rules: pure. `repeat` waits on the same states, so what is checked here holds for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from watcher.catalogue.events import EVENT_TYPES, EVENTS, TIMED_TYPES
from watcher.conditions import Outcome
from watcher.settings.base import Mistake, clash
from watcher.settings.durations import format_duration
from watcher.settings.values import Duration

__all__ = ["HoldFor", "check_states", "describe", "oddities", "waits"]


def waits(hold_for: timedelta) -> Outcome:
    """Return what a match comes to: a message, if the state lasts."""
    return Outcome(True, f"sent if the state holds for {format_duration(hold_for)}")


def describe(hold_for: timedelta) -> str:
    """Describe what the message waits for."""
    return f"if the state lasts {format_duration(hold_for)}"


def check_states(key: str, info: ValidationInfo) -> None:
    """Raise the first type of `when` that has no state that lasts, so that `key` cannot apply.

    `when` is checked before; where it is wrong itself, there is nothing to conclude from it.
    """
    for pattern in info.data.get("when", ()):
        for kind in EVENT_TYPES:
            if fnmatchcase(kind, pattern) and kind not in TIMED_TYPES:
                through = f" (by {pattern!r})" if kind != pattern else ""
                message = f"does not apply to {kind}{through}, which has no state that lasts"
                if (instead := EVENTS[kind].instead) and kind == pattern:
                    raise clash(message, f"write `when: {instead}`, which ends with the answer")
                raise clash(
                    f"{message}; it applies to {', '.join(TIMED_TYPES)}",
                    "name other types in `when`, or remove it",
                )


def oddities(types: frozenset[str]) -> Iterator[Mistake]:
    """Yield what a rule that waits on these types probably does not mean."""
    if "conversation.assigned" in types and "conversation.reassigned" not in types:
        yield Mistake(
            "waits for an owner, and no longer once the conversation is handed on",
            "name `conversation.reassigned` too, so that the new owner has the whole time again",
            ("when",),
            whole=True,
        )


def _checked(value: timedelta, info: ValidationInfo) -> timedelta | None:
    # A wait of no time is none.
    if not value:
        return None
    check_states("for", info)
    return value


HoldFor = Annotated[Duration, AfterValidator(_checked)]
"""How long the state must have lasted; nothing for no time at all."""
