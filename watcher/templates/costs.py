"""What templates may call, and what each call costs: filters, tests, methods and operators.

Rules: what has no cost here cannot be called. A call charges what it is given before it runs and what
it made afterwards; where it could make more than a few times of what it is given, the size is reckoned
first. Widths have a bound of their own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import SecurityError
from jinja2.runtime import Macro

from watcher.templates.meter import charge, counted, deep, length, shallow

__all__ = [
    "FILTERS",
    "TEXT_METHODS",
    "check_number",
    "check_widths",
    "costed",
    "of_call",
    "of_operator",
]

WIDEST = 1_000
"""Characters that a text may be padded to, and digits of a number."""

LARGEST = 4_096
"""Bits of a whole number."""

LONGEST_PRODUCT = 100_000
"""Characters or elements that `*` may make of a text or list."""

Cost = Callable[..., None]
"""Charges one call by its arguments; raises for those that are out of bounds."""


def check_number(value: Any) -> Any:
    """Return a value. Raise SecurityError for a whole number of unreasonable size."""
    if isinstance(value, int) and value.bit_length() > LARGEST:
        raise SecurityError("a number is too large")
    return value


def _check_width(width: Any, most: int = WIDEST) -> None:
    if isinstance(width, int | float) and not -most <= width <= most:
        raise SecurityError(f"a width is above {most:,}")


_WIDTHS = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(\*|\d*)(?:\.(\*|\d*))?")


def check_widths(widths: re.Match[str] | None, *more: str) -> None:
    """Raise SecurityError where a format pads or fills up to more than `WIDEST`."""
    found = (*(widths.groups("") if widths is not None else ()), *more)
    for one in found:
        if one == "*" or (one and (len(one) > 9 or int(one) > WIDEST)):
            raise SecurityError(f"a width is above {WIDEST:,}")


# Costs: of a filter, of a method, and of operators


def _all(*values: Any, **named: Any) -> None:
    charge(1 + sum(map(deep, (*values, *named.values()))))


def _first_alone(value: Any, *values: Any, **named: Any) -> None:
    """Charge the list without its elements, which are charged where they are read."""
    charge(1 + shallow(value) + (len(value) if isinstance(value, range) else 0))
    _all(*values, **named)


def _nothing(*values: Any, **named: Any) -> None:
    charge(1)


def _slow(value: Any, *values: Any, **named: Any) -> None:
    """Charge a text that is read sign by sign."""
    charge(10 * deep(value))
    _all(*values, **named)


def _cased(value: Any, *values: Any, **named: Any) -> None:
    """Charge letters: those beyond ASCII are looked up one by one."""
    text = str(value)
    charge(length(len(text)) * (1 if text.isascii() else 10))
    _all(value, *values, **named)


def _sorted(value: Any, *values: Any, **named: Any) -> None:
    size = deep(value)
    charge(size * max(1, size.bit_length()))
    _all(*values, **named)


def _padded(value: Any, width: Any = 0, *more: Any, **named: Any) -> None:
    for one in (width, *named.values()):
        _check_width(one)
    _all(value, *more)


def _replaced(value: Any, old: Any, new: Any, *more: Any, **named: Any) -> None:
    _all(value, old, new)
    text, found = str(value), str(old)
    charge(length((text.count(found)) * len(str(new))))


def _joined(between: Any, values: Any) -> None:
    _all(between)
    parts = values if isinstance(values, list | tuple | str | Mapping | range) else ()
    charge(deep(parts) + length(len(parts) * len(str(between))))


def _joined_list(value: Any, d: Any = "", attribute: Any = None) -> None:
    _joined(d, value)


def _indented(value: Any, width: Any = 4, first: Any = False, blank: Any = False) -> None:
    _check_width(width)
    _all(value, width)
    step = len(width) if isinstance(width, str) else width
    charge(length((str(value).count("\n") + 1) * step) if isinstance(step, int) else 0)


def _wrapped(
    s: Any,
    width: Any = 79,
    break_long_words: Any = True,
    wrapstring: Any = None,
    break_on_hyphens: Any = True,
) -> None:
    """Charge each line's end, and that the rest of a long word is copied for each of its lines."""
    text = str(s)
    lines = len(text) // max(1, width if isinstance(width, int) else 1) + text.count("\n") + 1
    _slow(text, wrapstring)
    charge(length(lines * len(str(wrapstring or ""))) + lines * len(text) // 20_000)


def _stripped(value: Any) -> None:
    """Charge that a text is copied for each of its tags."""
    text = str(value)
    _slow(value)
    charge(text.count("<") * len(text) // 10_000)


def _grouped(value: Any, number: Any, *more: Any, **named: Any) -> None:
    _check_width(number)
    _first_alone(value, *more, **named)
    charge(number if isinstance(number, int) and number > 0 else 0)


def _formatted(value: Any, *values: Any, **named: Any) -> None:
    """Charge `%`: each place in the text may show any of the values."""
    text = str(value)
    _all(text, *values, **named)
    for one in _WIDTHS.finditer(text):
        check_widths(one)
    maps = (one for one in (named, *values) if isinstance(one, Mapping) and one)
    shown = next(maps, None)
    if shown is not None:
        charge(text.count("%") * max((deep(one) for one in (shown, *shown.values())), default=0))


def _rounded(value: Any, precision: Any = 0, method: Any = "common") -> None:
    _check_width(precision, 100)
    _all(value)


def _summed(value: Any, attribute: Any = None, start: Any = 0) -> None:
    if not isinstance(start, int | float):
        raise SecurityError("sum() adds numbers alone")
    _all(value)


def _as_json(value: Any, indent: Any = None) -> None:
    """Charge the spaces before each line: lists are nested no deeper than the budget allows."""
    _check_width(indent, 16)
    steps = 1 + deep(value)
    charge(steps * (1 + (indent or 0)))


def _searched(text: Any, sought: Any = "", *more: Any) -> None:
    charge(1 + len(text) // 50 + deep(sought))


def _searched_backwards(text: Any, sought: Any = None, *more: Any) -> None:
    """Charge a search that is no better than one character after the other."""
    charge(1 + len(text) // 50)
    if isinstance(sought, str):
        charge(len(text) * len(sought) // 1_000)


def _parted(text: Any, between: Any = None, *more: Any, **named: Any) -> None:
    _searched(text, between)


def _untabbed(text: Any, tabsize: Any = 8) -> None:
    _check_width(tabsize, 100)
    charge(1 + shallow(text) + length(text.count("\t") * tabsize))


FILTERS: Mapping[str, Cost] = {
    **dict.fromkeys(
        ("abs", "e", "escape", "filesizeformat", "float", "forceescape", "int", "list", "local",
         "reverse", "safe", "string", "trim", "truncate"),
        _all,
    ),
    **dict.fromkeys(("capitalize", "lower", "upper"), _cased),
    **dict.fromkeys(("attr", "d", "default", "first", "last", "length", "count"), _nothing),
    **dict.fromkeys(("items", "map", "reject", "rejectattr", "select", "selectattr"), _first_alone),
    **dict.fromkeys(("dictsort", "groupby", "max", "min", "sort", "unique"), _sorted),
    **dict.fromkeys(("title", "urlencode", "wordcount"), _slow),
    **dict.fromkeys(("batch", "slice"), _grouped),
    "center": _padded,
    "format": _formatted,
    "indent": _indented,
    "join": _joined_list,
    "replace": _replaced,
    "round": _rounded,
    "striptags": _stripped,
    "sum": _summed,
    "tojson": _as_json,
    "wordwrap": _wrapped,
}  # fmt: skip
"""The filters of templates. Jinja2's others have no bound (`pprint`, `urlize`, `xmlattr`, `random`)."""

TEXT_METHODS: Mapping[str, Cost] = {
    **dict.fromkeys(
        ("endswith", "format", "format_map", "isascii", "lstrip", "removeprefix", "removesuffix",
         "rstrip", "splitlines", "startswith", "strip"),
        _all,
    ),
    **dict.fromkeys(
        ("capitalize", "casefold", "isalnum", "isalpha", "isdecimal", "isdigit", "islower",
         "isnumeric", "isprintable", "isspace", "istitle", "isupper", "lower", "swapcase", "title",
         "upper"),
        _cased,
    ),
    **dict.fromkeys(("count", "find", "index"), _searched),
    **dict.fromkeys(("rfind", "rindex", "rpartition", "rsplit"), _searched_backwards),
    **dict.fromkeys(("partition", "split"), _parted),
    **dict.fromkeys(("center", "ljust", "rjust", "zfill"), _padded),
    "expandtabs": _untabbed,
    "join": _joined,
    "replace": _replaced,
}  # fmt: skip
"""The methods of texts that templates may call."""


def costed(function: Callable[..., Any], cost: Cost = _all) -> Callable[..., Any]:
    """Return a filter or test that charges what it costs, and whose result is complete."""
    passed = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        given = [_complete(one) for one in args[passed:]]
        cost(*given, **named)
        return _made(function(*args[:passed], *given, **named))

    return call


def of_call(called: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Charge a call from a template. Jinja2 adds arguments of its own, whose names begin with `_`."""
    if isinstance(called, Macro):
        charge(1)  # its body charges itself
        return
    named = {name: value for name, value in named.items() if not name.startswith("_")}
    whose = getattr(called, "__self__", None)
    if isinstance(whose, str) and isinstance(called, BuiltinMethodType | MethodType):
        TEXT_METHODS[called.__name__](whose, *args, **named)
    else:
        _all(*args, **named)


def of_operator(operator: str, left: Any, right: Any) -> None:
    """Charge an operator. Raise SecurityError where its result would have an unreasonable size."""
    charge(1 + shallow(left) + shallow(right))
    if operator == "**" and not (abs(left) < 1_000_000 and abs(right) < 100):
        raise SecurityError("a power is too large")
    if operator == "*":
        product = _product(left, right) or _product(right, left)
        if product > LONGEST_PRODUCT:
            raise SecurityError("a repeated text is too long")
        charge(length(product))
    if operator == "%" and isinstance(left, str):
        _formatted(left, *(right if isinstance(right, tuple) else (right,)))


def _product(text: Any, times: Any) -> int:
    """Return how long a repeated text or list becomes, 0 for other products."""
    repeats = isinstance(text, str | list | tuple) and isinstance(times, int)
    return max(0, len(text) * times) if repeats else 0


def _complete(value: Any) -> Any:
    return counted(value) if isinstance(value, Iterator) else value


def _made(value: Any) -> Any:
    """Return what a call made, charged; an iterator as the list of its elements."""
    value = check_number(_complete(value))
    charge(0 if isinstance(value, Undefined) else shallow(value))
    return value
