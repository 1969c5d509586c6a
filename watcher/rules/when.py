"""The key `when`: which types of event a rule is about.

Rules: pure.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from watcher.catalogue.events import EVENT_TYPES
from watcher.conditions import Outcome
from watcher.settings.base import wrong
from watcher.suggest import nearest, short

__all__ = ["OTHER_TYPE", "When", "admits", "covered", "describe"]

OTHER_TYPE = "`when` asks for "
"""How the reason of a rule begins that is about other types."""


@lru_cache(maxsize=4096)
def covered(when: tuple[str, ...]) -> frozenset[str]:
    """Return the event types that types and globs (`*`, case-sensitive) cover."""
    return frozenset(
        kind for kind in EVENT_TYPES if any(fnmatchcase(kind, pattern) for pattern in when)
    )


def admits(when: tuple[str, ...], kind: str) -> Outcome:
    """Return whether a rule is about events of this type."""
    if kind in covered(when):
        return _MATCHES
    return Outcome(False, f"{OTHER_TYPE}{' or '.join(when)}, this is {kind}")


_MATCHES = Outcome(True, "`when` matches")


def describe(when: tuple[str, ...]) -> str:
    """Describe the events that a rule is about."""
    return " or ".join(when)


def _known(pattern: str) -> str:
    if not covered((pattern,)):
        near = _meant(pattern)
        remedy = f"did you mean `{near}`?" if near else f"write one such as {', '.join(_SIMILAR)}"
        raise wrong(f"no event has the type `{short(pattern)}`", remedy, offset=0)
    return pattern


def _meant(pattern: str) -> str | None:
    """Guess the type meant, also where its first part was left out (`unread`)."""
    if "*" in pattern:
        return nearest(pattern, _GLOBS)
    if guess := nearest(pattern, EVENT_TYPES):
        return guess
    short = {kind.partition(".")[2]: kind for kind in reversed(EVENT_TYPES)}
    leaf = nearest(pattern, short)
    return short[leaf] if leaf else None


_SIMILAR = ("conversation.unread", "conversation.*", "source.failing", "`*` for all")
_GLOBS = sorted({re.sub(r"\..*", ".*", kind) for kind in EVENT_TYPES})
_PATTERN = {"anyOf": [{"enum": [*EVENT_TYPES, *_GLOBS]}, {"type": "string", "pattern": r"[*?\[]"}]}
When = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1), AfterValidator(_known)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [_PATTERN, {"type": "array", "items": _PATTERN, "minItems": 1}]}),
]
"""Event types or globs, one or more."""
