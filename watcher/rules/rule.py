"""One rule as a value, and what is checked of its `when`, `for` and `repeat`.

Law: pure; a rule holds the sources of its message, not compiled templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

from watcher.catalogue.events import EVENT_TYPES, TIMED_TYPES
from watcher.conditions import Condition
from watcher.rules.hours import Hours
from watcher.rules.pace import Digest, Repeat, Throttle
from watcher.suggest import nearest

__all__ = ["Format", "Objection", "Rule", "check_lasting", "check_when", "covered"]

Format = Literal["text", "markdown", "html"]
"""What templates are written in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events are told to whom, when, how often and in which words.

    `when` are event types or globs, `notify` receivers in the configuration's order. An event
    matches where `where` is true and `unless` is not. With `hold_for` the message goes out only if
    the state, `where` and not `unless` have held for so long; `repeat` tells again while they do.
    `throttle` and `hours` are asked when a message is due; `digest` collects. After a match with
    `stop`, later rules are not asked. `severity` is free text for people and silences.

    `title` and `body` are template sources, None for the default message; `texts` has those of
    single receivers. `format` is what they are written in, None for the receiver's own; `formats`
    what those of single receivers are.
    """

    name: str
    when: tuple[str, ...]
    notify: tuple[str, ...]
    where: Condition | None = None
    hold_for: timedelta | None = None
    title: str | None = None
    body: str | None = None
    unless: Condition | None = None
    repeat: Repeat | None = None
    throttle: Throttle | None = None
    digest: Digest | None = None
    hours: Hours | None = None
    stop: bool = False
    severity: str = ""
    texts: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict, hash=False)
    format: Format | None = None
    formats: Mapping[str, Format | None] = field(default_factory=dict, hash=False)

    @property
    def lasting(self) -> bool:
        """Whether it waits on a state, so that an observed end of it cancels messages."""
        return self.hold_for is not None or self.repeat is not None

    def words(self, receiver: str) -> tuple[str | None, str | None]:
        """Give the template sources of title and body for a receiver."""
        return self.texts.get(receiver, (self.title, self.body))

    def written_in(self, receiver: str) -> Format | None:
        """Give what the words for a receiver are written in, None for the receiver's own."""
        return self.formats.get(receiver, self.format)

    @property
    def types(self) -> frozenset[str]:
        """The event types that `when` covers."""
        return covered(self.when)

    @property
    def where_lasts(self) -> bool:
        """Whether `where` can be asked again of a later state of the conversation."""
        return self.where is not None and self.where.lasts

    @property
    def unless_lasts(self) -> bool:
        """Whether `unless` can be asked again of a later state of the conversation."""
        return self.unless is not None and self.unless.lasts


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong with one text of a rule, and what was probably meant."""

    text: str
    message: str
    suggestion: str | None = None


@lru_cache(maxsize=4096)
def covered(when: tuple[str, ...]) -> frozenset[str]:
    """Give the event types that types and globs (`*`, case-sensitive) cover."""
    return frozenset(
        kind for kind in EVENT_TYPES if any(fnmatchcase(kind, pattern) for pattern in when)
    )


def check_when(patterns: Sequence[str]) -> tuple[Objection, ...]:
    """Object to every pattern that no event can have."""
    return tuple(
        Objection(
            pattern,
            f"no event has the type {pattern!r}; there are {', '.join(EVENT_TYPES)}",
            _meant(pattern),
        )
        for pattern in patterns
        if not covered((pattern,))
    )


def check_lasting(key: str, when: Sequence[str]) -> Objection | None:
    """Object to `for` or `repeat` (`key`) on types without a state that lasts; the first such type
    is named.
    """
    for pattern in when:
        for kind in EVENT_TYPES:
            if fnmatchcase(kind, pattern) and kind not in TIMED_TYPES:
                through = f" (by {pattern!r})" if kind != pattern else ""
                message = (
                    f"`{key}` does not apply to {kind}{through}, which has no state that lasts;"
                    f" it applies to {', '.join(TIMED_TYPES)}"
                )
                return Objection(pattern, message)
    return None


def _meant(pattern: str) -> str | None:
    """Guess the type meant, also where its first part was left out (`unread`)."""
    short = {kind.partition(".")[2]: kind for kind in reversed(EVENT_TYPES)}
    if "*" in pattern:
        globs = sorted({f"{kind.partition('.')[0]}.*" for kind in EVENT_TYPES})
        return nearest(pattern, globs)
    if guess := nearest(pattern, EVENT_TYPES):
        return guess
    leaf = nearest(pattern, short)
    return short[leaf] if leaf else None
