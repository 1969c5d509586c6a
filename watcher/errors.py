"""Errors, named after what the caller does next.

Rules: nothing here imports anything of the project, and no message ever carries a secret.

    WatcherError
    ├── ConfigError              refuse to start: every problem with file, line and column
    ├── SourceError              something about one source; has a reason and a remedy for people
    │   ├── SourceUnavailable    retry later (network, timeout, 429, 5xx)
    │   ├── SourceRefused        stop asking in a loop, tell the operator (credentials, scope, account)
    │   ├── SourceChanged        the answer is not what the provider promises: skip the page, report
    │   └── WalkExpired          the resume token is no longer good: start this walk again
    ├── Conflict                 a snapshot moved on meanwhile: read again, decide again
    └── StoreError               nothing sensible can go on: crash, let the supervisor restart
        ├── StoreLocked          another daemon owns the store: refuse to start
        ├── StoreUnavailable     the disk is full, the file is locked: wait, try again
        └── StoreDamaged         what is in the file cannot be believed: stop, touch nothing
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = [
    "OVER_BUDGET",
    "ConfigError",
    "Conflict",
    "Problem",
    "SourceChanged",
    "SourceError",
    "SourceRefused",
    "SourceUnavailable",
    "StatementEnded",
    "StoreDamaged",
    "StoreError",
    "StoreLocked",
    "StoreUnavailable",
    "WalkExpired",
    "WatcherError",
    "causes",
    "grouped",
]


OVER_BUDGET = "steps, the budget of a"
"""Stands in the reason of every evaluation that was ended by its budget, so that it can be counted."""


class WatcherError(Exception):
    """Base of everything this package raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration, with the place where a person mends it.

    `file` is as the user named it; `line` and `column` count from 1 and are 0 where no place
    is known (a missing file). `remedy` is one sentence, or empty.
    """

    file: str
    line: int
    column: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


MANY, FIRST = 10, 2
"""Problems alike that are all shown, and how many of more."""

_NAMES = re.compile(r"`[^`]*`|\S*[\d/]\S*")
"""What differs between problems that are alike: names, paths, numbers."""


def grouped(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield problems as lines; of more than ten in a file that are alike the first two, and how many
    more there are.
    """
    every = tuple(problems)
    kinds = [(one.file, _NAMES.sub("…", one.message)) for one in every]
    counts: dict[tuple[str, str], int] = {}
    last: dict[tuple[str, str], Problem] = {}
    for kind, one in zip(kinds, every, strict=True):
        counts[kind] = counts.get(kind, 0) + 1
        last[kind] = one
    seen: dict[tuple[str, str], int] = {}
    for kind, one in zip(kinds, every, strict=True):
        seen[kind] = number = seen.get(kind, 0) + 1
        if counts[kind] <= MANY or number <= FIRST:
            yield str(one)
        elif number == FIRST + 1:
            end = last[kind]
            yield f"{one.file}: and {counts[kind] - FIRST:,} more like it, up to line {end.line}"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Walk what an error was raised from, groups included, the outermost first."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            waiting.extend(reversed(cause.exceptions))
        waiting.extend((cause.__context__, cause.__cause__))


class ConfigError(WatcherError):
    """The configuration is wrong; `problems` holds every mistake found, in reading order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class SourceError(WatcherError):
    """Base of what can go wrong with one source.

    `reason` says what happened, `remedy` what a person can do; both are single lines without
    secrets and end up in `source.failing` events, logs and `inbox-watcher status`. `reached` is
    False where the request never came to the provider's machine, so that it says nothing about it.
    """

    def __init__(self, reason: str, remedy: str = "", *, reached: bool = True) -> None:
        self.reason = reason
        self.remedy = remedy
        self.reached = reached
        super().__init__(f"{reason} ({remedy})" if remedy else reason)

    @property
    def concerns_all(self) -> bool:
        """Whether any other request to the source would fail for the same reason now."""
        return False


class SourceUnavailable(SourceError):
    """Try again later.

    `retry_after` is the provider's own wish in seconds, None where it has none. `connect` is
    True when no connection came about at all (DNS, refused, unreachable, TLS): if every source
    reports that at once, it is our own network.
    """

    def __init__(
        self,
        reason: str,
        remedy: str = "",
        *,
        retry_after: float | None = None,
        connect: bool = False,
        reached: bool = True,
    ) -> None:
        super().__init__(reason, remedy, reached=reached and not connect)
        self.retry_after = retry_after
        self.connect = connect

    @property
    def concerns_all(self) -> bool:
        return self.connect or self.retry_after is not None


class SourceRefused(SourceError):
    """The credentials, a permission or the account are refused; asking again at once is useless."""

    @property
    def concerns_all(self) -> bool:
        return True


class SourceChanged(SourceError):
    """The answer does not have the promised shape; nothing on the page may be believed."""


class WalkExpired(SourceError):
    """The provider no longer accepts the walk's resume token; begin the walk again."""


class Conflict(WatcherError):
    """A snapshot has another revision than the one the decision was based on."""


class StoreError(WatcherError):
    """The store cannot be read or written. The text is a cause and, after a semicolon, a remedy."""

    @property
    def reason(self) -> str:
        """What happened, without the remedy."""
        return str(self).partition("; ")[0]

    @property
    def remedy(self) -> str:
        """What a person can do, or nothing."""
        return str(self).partition("; ")[2]


class StoreUnavailable(StoreError):
    """Something is in the way that passes by itself or once a person removes it."""


class StatementEnded(StoreUnavailable):
    """A statement took too many steps. Whoever asked for it tries again; nobody else waits."""


class StoreDamaged(StoreError):
    """The file, or a page of it, is no database."""


class StoreLocked(StoreError):
    """Another process owns the store; `owner` tells which, for the operator."""

    def __init__(self, path: str, owner: str = "") -> None:
        self.path = path
        self.owner = owner
        super().__init__(
            f"{path} is in use by another inbox-watcher{f' ({owner})' if owner else ''}"
        )
