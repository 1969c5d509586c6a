"""The functions and methods that the library understands, and how calls of them are checked.

Rules: pure; tables and their checks. The tables follow the CEL specification
("Standard Definitions"), cut down to what `common-expression-language` 0.10 was observed to
evaluate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import available_timezones

from watcher.conditions.library import parse_zone
from watcher.conditions.syntax import MACROS
from watcher.conditions.types import Problem, Term, demand
from watcher.suggest import nearest, short
from watcher.vocabulary import ANY, BOOL, NUMBER, STRING, Kind, Shape

__all__ = ["TYPES", "Objections", "Placed", "call_function", "call_method"]

Placed = tuple[Term, int]
"""An argument and its offset."""

Objections = list[tuple[Problem | None, int]]
"""The problems of a call, each with its offset; None stands for no problem."""

TIMESTAMP = Shape("timestamp")
DURATION = Shape("duration")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function or method accepts and returns."""

    gives: Shape
    takes: tuple[Kind, ...] = ()
    """The kinds allowed for a method's value, or a function's only argument; empty: all."""
    arguments: tuple[Kind, ...] = ()
    """The kinds of a method's arguments."""
    zoned: bool = False
    """Whether a method may be given a time zone."""


_SIZED: tuple[Kind, ...] = ("string", "list", "map")
_CALENDAR = Signature(NUMBER, ("timestamp",), zoned=True)
_CLOCK = Signature(NUMBER, ("timestamp", "duration"), zoned=True)
_SEARCH = Signature(BOOL, ("string",), ("string",))

METHODS: Mapping[str, Signature] = {
    "contains": _SEARCH,
    "startsWith": _SEARCH,
    "endsWith": _SEARCH,
    "matches": _SEARCH,
    "size": Signature(NUMBER, _SIZED),
    "getFullYear": _CALENDAR,
    "getMonth": _CALENDAR,
    "getDate": _CALENDAR,
    "getDayOfMonth": _CALENDAR,
    "getDayOfWeek": _CALENDAR,
    "getDayOfYear": _CALENDAR,
    "getHours": _CLOCK,
    "getMinutes": _CLOCK,
    "getSeconds": _CLOCK,
    "getMilliseconds": _CLOCK,
}
"""Called on a value: `value.name(…)`."""

FUNCTIONS: Mapping[str, Signature] = {
    "size": Signature(NUMBER, _SIZED),
    "int": Signature(NUMBER, ("string", "number")),
    "uint": Signature(NUMBER, ("string", "number")),
    "double": Signature(NUMBER, ("string", "number")),
    "string": Signature(STRING, ("string", "number", "timestamp", "duration")),
    "bytes": Signature(ANY, ("string",)),
    "timestamp": Signature(TIMESTAMP, ("string", "timestamp")),
    "duration": Signature(DURATION, ("string", "duration")),
    "type": Signature(ANY),
    "dyn": Signature(ANY),
}
"""Called with one argument: `name(…)`."""

TYPES = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"})
"""Names of types, to compare `type(…)` with."""


def call_function(name: str, at: int, arguments: Sequence[Placed]) -> tuple[Term, Objections]:
    """Check `name(arguments)`; the name stands `at` an offset."""
    if name == "has":
        return Term(BOOL), []  # its argument, a path, has been read like any other
    signature = FUNCTIONS.get(name)
    if signature is None:
        guess = nearest(name, FUNCTIONS)
        if name in METHODS or name in MACROS:
            guess = f"value.{name}(…)"
        message = f"unknown function {name}(); known: {', '.join(FUNCTIONS)}, has"
        return Term(ANY), [((message, guess), at)]
    if len(arguments) != 1:
        return Term(signature.gives), [((f"{name}() takes one argument", None), at)]
    term, place = arguments[0]
    return Term(signature.gives), [(demand(term, signature.takes, f"in {name}()"), place)]


def call_method(
    base: Term, name: str, at: int, arguments: Sequence[Placed]
) -> tuple[Term, Objections]:
    """Check `base.name(arguments)`; the name stands `at` an offset."""
    signature = METHODS.get(name)
    if signature is None:
        known = [*METHODS, *MACROS]
        message = f"unknown method .{name}(); known: {', '.join(known)}"
        return Term(ANY), [((message, nearest(name, known)), at)]
    if signature.zoned and len(arguments) == 1:
        return Term(signature.gives), _in_zone(base, name, at, arguments[0])
    objections: Objections = [(demand(base, signature.takes, f"before .{name}()"), at)]
    if len(arguments) != len(signature.arguments):
        wanted = "one argument" if signature.arguments else "no argument"
        objections.append(((f".{name}() takes {wanted}", None), at))
    for (term, place), kind in zip(arguments, signature.arguments, strict=False):
        objections.append((demand(term, kind, f"in .{name}()"), place))
    return Term(signature.gives), objections


def _in_zone(base: Term, name: str, at: int, argument: Placed) -> Objections:
    """Check a time function with a time zone: `value.getHours("Europe/Berlin")`."""
    zone, place = argument
    objections: Objections = [(demand(base, "timestamp", f"before .{name}() with a zone"), at)]
    objections.append((demand(zone, "string", f"in .{name}()"), place))
    if zone.literal is not None and not _is_zone(zone.literal):
        meant = nearest(zone.literal, available_timezones())
        message = (
            f"there is no time zone {short(zone.literal)!r}; write a name such as Europe/Berlin"
        )
        objections.append(((message, f'"{meant}"' if meant else None), place))
    return objections


def _is_zone(text: str) -> bool:
    try:
        parse_zone(text)
    except ValueError:
        return False
    return True
