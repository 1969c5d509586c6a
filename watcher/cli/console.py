"""Where a command writes, and how it reports failures.

Rules: the only place of the command line that prints. Every text passes the redactor, JSON too, and nothing
that came from outside can steer the terminal. What others said was scrubbed before it came here. What a
failure is called and which exit status it has is decided here, once.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import typer

from watcher.cli.options import Invocation, LogLevel
from watcher.cli.tables import Cell, Column, Line, table_lines
from watcher.cli.times import machine_zone
from watcher.descriptors import ADVICE, REASON, spent
from watcher.errors import ConfigError, SourceError, StoreError, StoreLocked, grouped
from watcher.json_text import json_line
from watcher.secrets import Redactor
from watcher.settings.calendar import format_moment

__all__ = ["Console", "NotOne", "plain", "reporting_errors"]

FAILED = 1
MISUSED = 2


class NotOne(Exception):
    """No id begins so, or several do."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


def plain(text: str) -> str:
    """Return the text without terminal control characters; line breaks stay."""
    return "\n".join(
        "".join(char if char.isprintable() else " " for char in line) for line in text.split("\n")
    )


COLOURED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables by which colours are asked for where no terminal is."""


class _Output:
    """Standard output or the standard error: lines with styles on a terminal, plain ones elsewhere."""

    def __init__(self, *, error: bool) -> None:
        self._error = error
        self._rich: Any = None

    def print(self, line: Line) -> None:
        """Print one line; raise BrokenPipeError where nobody reads it."""
        stream = sys.stderr if self._error else sys.stdout
        if self._rich is None and not stream.isatty() and not any(map(os.environ.get, COLOURED)):
            print("".join(one.text for one in line), file=stream, flush=True)
            return
        from rich.text import Text  # a daemon's log, a pipe and a file do without

        self._terminal().print(
            Text.assemble(*((one.text, one.style) for one in line)), soft_wrap=True
        )

    @property
    def width(self) -> int:
        """How many columns the terminal has."""
        columns: int = self._terminal().width
        return columns

    def _terminal(self) -> Any:
        if self._rich is None:
            from rich.console import Console as Terminal

            class _Piped(Terminal):
                """Reports a closed pipe as an error, instead of ending the program."""

                def on_broken_pipe(self) -> None:
                    raise BrokenPipeError

            self._rich = _Piped(highlight=False, stderr=self._error)
        return self._rich


class Console:
    """Stdout for results, stderr for everything else; created for each command.

    `redactor` knows the secrets, and `zone` is that of the times that are shown; a configuration
    that was read sets both. `asked` is what the options say that every
    command takes.
    """

    def __init__(self, asked: Invocation) -> None:
        self.asked = asked
        self.redactor = Redactor()
        self.zone = machine_zone()
        self._out = _Output(error=False)
        self._err = _Output(error=True)

    def write(self, text: str, style: str = "") -> None:
        """Print a result, one line of it per line of the text."""
        self._print(self._out, self.redactor.scrub_result(text), style)

    def note(self, text: str, style: str = "") -> None:
        """Print something in addition to the result, on stderr."""
        self._print(self._err, self.redactor.scrub_sentence(text), style)

    def error(self, cause: str, remedy: str = "") -> None:
        """Print what went wrong: one line for the cause, one for the remedy."""
        self.note("error: " + " ".join(cause.split()), "red")
        if remedy:
            self.note("help: " + " ".join(remedy.split()))

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads the results, not a program or a file."""
        return sys.stdout.isatty()

    def time(self, at: datetime | str | None) -> str:
        """Return a time (or its RFC 3339 form) as people here read it; None as nothing."""
        if at is None:
            return ""
        return format_moment(datetime.fromisoformat(at) if isinstance(at, str) else at, self.zone)

    def json(self, value: Mapping[str, Any]) -> None:
        """Print one JSON object on a line of its own: the same JSON, but for secrets."""
        typer.echo(json_line(self.redactor.scrub_result(value)))

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str | Cell]], *, head: bool = True
    ) -> None:
        """Print rows below one another: as wide as the terminal, or (in a pipe) as they are."""
        cells = [[self._cell(each) for each in row] for row in rows]
        width = self._out.width if self.on_terminal else None
        for line in table_lines(columns, cells, width, head=head):
            self._out.print(line)

    def _cell(self, cell: str | Cell) -> Cell:
        text, style = (cell, "") if isinstance(cell, str) else (cell.text, cell.style)
        return Cell(" ".join(plain(self.redactor.scrub_result(text)).split()), style)

    def _print(self, target: _Output, text: str, style: str) -> None:
        target.print([Cell(plain(text), style)])


@contextmanager
def reporting_errors(console: Console) -> Iterator[None]:
    """Report what is raised inside, and exit with a status."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except BrokenPipeError:
        # Who reads has enough, as `head` does; nothing has failed. What is buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None
    except KeyboardInterrupt:
        raise typer.Exit(FAILED) from None
    except Exception as error:  # noqa: BLE001 - the last place that can say anything
        raise typer.Exit(_report(console, error)) from None


Refusal = tuple[str, str]
"""What went wrong, and what to do about it."""

_TAKEN = "another process listens there, perhaps another inbox-watcher: choose `server.listen`"


def _report(console: Console, error: Exception) -> int:
    """Report an error; return the exit status."""
    match _cause(error):
        case NotOne() as missing:
            console.error(missing.cause, missing.remedy)
        case ConfigError() as wrong:
            for line in grouped(wrong.problems):
                console.note(line)
            return MISUSED
        case StoreError() | SourceError() | OSError() as refused:
            console.error(*explain(refused))
        case UnicodeEncodeError(reason="surrogates not allowed"):
            # Bytes of the command line that are no text; whatever comes from elsewhere is sanitized.
            console.error("an argument is no valid text", "write it in UTF-8")
            return MISUSED
        case bug:
            if console.asked.log_level == LogLevel.debug:
                console.note("".join(traceback.format_exception(error)).rstrip())
            console.error(
                f"internal error: {type(bug).__name__}",
                "`inbox-watcher --log-level debug …` shows the traceback for a report",
            )
    return FAILED


def explain(error: StoreError | SourceError | OSError) -> Refusal:
    """Return an error that a person can do something about as cause and remedy."""
    match error:
        case StoreLocked():
            return str(error), "`inbox-watcher status` shows what it does; or stop it"
        case StoreError():
            cause, _, remedy = str(error).partition("; ")
            return cause, remedy
        case SourceError():
            return error.reason, error.remedy
        case OSError() if spent(error):
            return REASON, ADVICE
    taken = os.strerror(errno.EADDRINUSE) in str(error)
    return str(error), _TAKEN if taken else "check the address or path, and its permissions"


def _cause(error: BaseException) -> BaseException:
    """Return the most informative of several failures that happened in parallel tasks."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [_cause(each) for each in error.exceptions]
    for kind in (ConfigError, StoreError, SourceError, OSError):
        for cause in causes:
            if isinstance(cause, kind):
                return cause
    return causes[0]
