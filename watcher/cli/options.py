"""Options that several commands share, and how their values are parsed.

Rules: syntax only; opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from watcher.settings.durations import parse_duration, suggest_duration
from watcher.suggest import nearest

__all__ = [
    "COMPLETING",
    "AsJson",
    "Invocation",
    "Limit",
    "LogFormat",
    "LogLevel",
    "choose",
    "invocation",
    "read_duration",
]


COMPLETING = "_INBOX_WATCHER_COMPLETE"
"""The variable in which a shell says which shell it is and what it wants completed."""


class LogLevel(StrEnum):
    """How much is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class LogFormat(StrEnum):
    """What a log line looks like."""

    json = "json"
    text = "text"


@dataclass(slots=True)
class Invocation:
    """What was asked for with options that every command takes."""

    config: list[Path] = field(default_factory=list)
    store: Path | None = None
    log_level: LogLevel | None = None
    log_format: LogFormat | None = None


def invocation(ctx: typer.Context) -> Invocation:
    """Return what the shared options say, wherever they stand."""
    asked: Invocation = ctx.meta.setdefault("inbox-watcher", Invocation())
    return asked


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON Lines, for programs.")]

Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, metavar="N", help="Print at most N, the newest.")
]


def read_duration(text: str | timedelta) -> timedelta:
    """Read an option such as `--since 1h`; raises BadParameter with what was probably meant."""
    if isinstance(text, timedelta):
        return text
    try:
        return parse_duration(text)
    except ValueError as error:
        meant = suggest_duration(text)
        hint = f"did you mean {meant}?" if meant else "write 30s, 15m, 1h30m or 7d"
        raise typer.BadParameter(f"{text!r} {error}; {hint}") from None


def choose(kind: str, name: str, known: Iterable[str]) -> None:
    """Raise BadParameter, naming the nearest or all there are, unless `name` is one of `known`."""
    names = list(dict.fromkeys(known))
    if name in names:
        return
    near = nearest(name, names)
    hint = f"did you mean {near!r}?" if near else f"there is: {', '.join(names) or 'none'}"
    raise typer.BadParameter(f"there is no {kind} {name!r}; {hint}")
