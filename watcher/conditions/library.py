"""The library that evaluates CEL (`common-expression-language` 0.10): the one import of it.

Rules: pure. What depends on this library stands here and nowhere else: how it is imported, what it
raises, and what its reports mean in the words of conditions. Another evaluator is another file.

The library is imported when a condition is compiled: two megabytes that a watcher without any does not hold.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watcher.conditions.syntax import ExpressionError
from watcher.without import without

if TYPE_CHECKING:
    import cel

    Program = cel.Program
    Values = cel.Context
else:
    Program = Values = Any  # pydantic looks at the fields of conditions

__all__ = [
    "FAILURES",
    "Program",
    "Values",
    "compile_text",
    "explain_failure",
    "explain_pattern",
    "make_values",
    "parse_zone",
]


@functools.cache
def _cel() -> Any:
    """Import the library, without its shell: prompt_toolkit and pygments are six megabytes and a tenth of a
    second.
    """
    with without("cel.cli"):
        import cel
    # It warns of each function that fails; what that means for a condition is reported once, by us.
    logging.getLogger("cel").setLevel(logging.CRITICAL)
    return cel


def make_values(names: dict[str, Any]) -> Values:
    """Return what programs read: the names of an event, and the functions that the library lacks."""
    values: Values = _cel().Context(names)
    for name, read in _IN_A_ZONE.items():
        values.add_function(name, functools.partial(_in_a_zone, read))
    return values


def parse_zone(text: str) -> tzinfo:
    """Return a time zone by its name, or by its difference from UTC (`+02:00`); raise ValueError."""
    if match := re.fullmatch(r"([+-]?)(\d\d):(\d\d)", text):
        sign, hours, minutes = match.groups()
        behind = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-behind if sign == "-" else behind)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {text!r}") from None


def _in_a_zone(read: Callable[[datetime], int], at: Any, zone: Any) -> int:
    """Read the clock of a zone: CEL's `getHours("Europe/Berlin")`; without a zone the library does."""
    if not isinstance(at, datetime) or not isinstance(zone, str):
        raise TypeError("a time function takes a timestamp and the name of a time zone")
    return read(at.astimezone(parse_zone(zone)))


_IN_A_ZONE: Mapping[str, Callable[[datetime], int]] = {
    "getFullYear": lambda at: at.year,
    "getMonth": lambda at: at.month - 1,
    "getDate": lambda at: at.day,
    "getDayOfMonth": lambda at: at.day - 1,
    "getDayOfWeek": lambda at: at.isoweekday() % 7,
    "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
    "getHours": lambda at: at.hour,
    "getMinutes": lambda at: at.minute,
    "getSeconds": lambda at: at.second,
    "getMilliseconds": lambda at: at.microsecond // 1000,
}
"""What CEL's time functions say of a clock; as CEL has it, months and days of month and year begin at 0."""

FAILURES = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What the library raises where an expression cannot be evaluated."""


@functools.lru_cache(maxsize=512)  # rules share many parts
def compile_text(text: str) -> Program:
    """Return the program of an expression.

    Raise ExpressionError, at its place, with the first thing that the library does not accept.
    """
    try:
        program: Program = _cel().compile(text)
    except ValueError as failure:  # UnicodeEncodeError is one, too
        raise _syntax_error(text, str(failure)) from None
    return program


def explain_pattern(pattern: str) -> str | None:
    """Return what is wrong with a regular expression, None if nothing is."""
    try:
        compile_text("''.matches(pattern)").execute({"pattern": pattern})
    except RuntimeError as failure:
        cause = str(failure).rpartition("error: ")[2].partition(". Check")[0]
        return " ".join(cause.split())
    return None


def explain_failure(failure: Exception) -> str:
    """Return in one line why an evaluation failed, in the words of conditions."""
    text = " ".join(str(failure).split())
    if isinstance(failure, KeyError):
        return f"there is no field {text}"
    if isinstance(failure, TypeError):
        return "a value in an operation has the wrong type, or is null"
    if match := re.match(r"Undefined variable or function: '(.*?)'", text):
        return f"the value in {match.group(1)}() has the wrong type, or is null"
    return text.split(". ")[0][:200]


_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNEXPECTED = re.compile(
    r"(?:mismatched|extraneous|no viable alternative at) input '(.*?)'(?: exp|$)"
)
_UNKNOWN_ESCAPE = re.compile(
    r"""(?P<quote>["'])(?=(?P<rest>(?:\\.|(?!(?P=quote))[^\\\n])*(?P=quote))?)"""
    r"""(?:\\[abfnrtv\\?"'`xXuU0-3]|(?!(?P=quote))[^\\\n])*(?P<escape>\\[^abfnrtv\\?"'`xXuU0-3\n])"""
)
"""A text up to its first escape that CEL does not have; `rest` is all of it behind the quote."""

_UNCLOSED = (
    "this text has no closing quote (in YAML ` #` begins a comment, unless the whole value is in"
    " quotes)"
)
_FOREIGN = {"and": "&&", "or": "||", "not": "!", "is": "==", "eq": "==", "ne": "!=", "=": "=="}
"""Operators of other languages, and CEL's."""


def _syntax_error(source: str, report: str) -> ExpressionError:
    """Return the first complaint of a report, at its place."""
    complaints: list[tuple[str, str, str]] = _ERROR.findall(report)
    if not complaints:
        return ExpressionError("the condition cannot be read")
    # A syntax error comes before what the library concludes from it.
    spoken = [one for one in complaints if one[2].startswith("Syntax error")]
    line, column, text = (spoken or complaints)[0]
    lines = source.split("\n")
    offset = sum(len(one) + 1 for one in lines[: int(line) - 1]) + int(column) - 1
    offset = min(offset, len(source))
    text = text.removeprefix("Syntax error: ")
    if text.startswith("token recognition error"):
        found = source[offset : offset + 1]
        if found in ("'", '"') and (escape := _UNKNOWN_ESCAPE.match(source, offset)):
            meant = f"r{found}{escape.group('rest')}" if escape.group("rest") else None
            at = escape.start("escape")
            return ExpressionError(
                f"unknown escape {escape.group('escape')} in a text; a text with backslashes"
                f" begins with r: r{found}…{found}",
                at,
                meant,
            )
        what = _UNCLOSED if found in ("'", '"') else f"unexpected {found!r}"
        return ExpressionError(what, offset, _FOREIGN.get(found))
    if match := _UNEXPECTED.search(text):
        found = match.group(1)
        if found == "<EOF>":
            return ExpressionError("the condition ends too early", offset)
        word = re.search(r"([A-Za-z]+)\s*$", source[:offset])
        foreign = _FOREIGN.get(found) or (_FOREIGN.get(word.group(1)) if word else None)
        return ExpressionError(f"unexpected {found!r}", offset, foreign)
    return ExpressionError(text, offset)
