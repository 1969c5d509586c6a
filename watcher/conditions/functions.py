"""What CEL can call: the functions, methods and macros that the library understands.

Law: pure; tables, and how a call is judged by them. The tables follow the CEL specification
("Standard Definitions"), cut down to what `common-expression-language` 0.10 was observed to
evaluate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watcher.conditions.syntax import Token
from watcher.conditions.types import Problem, Term, demand
from watcher.suggest import nearest
from watcher.vocabulary import ANY, BOOL, NUMBER, STRING, Kind, Shape

__all__ = ["MACROS", "TYPES", "Placed", "call_function", "call_method"]

Placed = tuple[Term, int]
"""An argument and its offset."""

Objections = list[tuple[Problem | None, int]]
"""What is wrong with a call, each with its offset; None stands for nothing."""

TIMESTAMP = Shape("timestamp")
DURATION = Shape("duration")


@dataclass(frozen=True, slots=True)
class Signature:
    """`takes` are the kinds allowed for the receiver, or the only argument; empty: all.

    `arguments` are the kinds of a method's further arguments.
    """

    gives: Shape
    takes: tuple[Kind, ...] = ()
    arguments: tuple[Kind, ...] = ()


_SIZED: tuple[Kind, ...] = ("string", "list", "map")
_CALENDAR = Signature(NUMBER, ("timestamp",))
_CLOCK = Signature(NUMBER, ("timestamp", "duration"))
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

MACROS: Mapping[str, tuple[int, ...]] = {
    "all": (2,),
    "exists": (2,),
    "exists_one": (2,),
    "filter": (2,),
    "map": (2, 3),
}
"""Called on a list or an object, with a variable first; how many arguments each takes."""

TYPES = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"})
"""Names of types, to compare `type(…)` with."""


def call_function(name: Token, arguments: Sequence[Placed]) -> tuple[Term, Objections]:
    """Judge `name(arguments)`."""
    if name.text == "has":
        return Term(BOOL), []  # its argument, a path, has been read like any other
    signature = FUNCTIONS.get(name.text)
    if signature is None:
        guess = nearest(name.text, FUNCTIONS)
        if name.text in METHODS or name.text in MACROS:
            guess = f"value.{name.text}(…)"
        message = f"there is no function {name.text}(); there are {', '.join(FUNCTIONS)}, has"
        return Term(ANY), [((message, guess), name.offset)]
    if len(arguments) != 1:
        return Term(signature.gives), [((f"{name.text}() takes one argument", None), name.offset)]
    term, at = arguments[0]
    return Term(signature.gives), [(demand(term, signature.takes, f"in {name.text}()"), at)]


def call_method(base: Term, name: Token, arguments: Sequence[Placed]) -> tuple[Term, Objections]:
    """Judge `base.name(arguments)`, where the name is no macro's."""
    signature = METHODS.get(name.text)
    if signature is None:
        known = [*METHODS, *MACROS]
        message = f"there is no method .{name.text}(); there are {', '.join(known)}"
        return Term(ANY), [((message, nearest(name.text, known)), name.offset)]
    objections: Objections = [
        (demand(base, signature.takes, f"before .{name.text}()"), name.offset)
    ]
    if len(arguments) != len(signature.arguments):
        wanted = "one argument" if signature.arguments else "no argument"
        objections.append(((f".{name.text}() takes {wanted}", None), name.offset))
    for (term, at), kind in zip(arguments, signature.arguments, strict=False):
        objections.append((demand(term, kind, f"in .{name.text}()"), at))
    return Term(signature.gives), objections
