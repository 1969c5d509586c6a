"""The budget of a condition: what an evaluation would take, reckoned before it runs.

Rules: pure, and no clock: the same event always gets the same answer. The library has no limit of its
own and cannot be stopped, so an upper bound is reckoned from the tree and from how large the event's
values are: a macro's body counts once for each element, also where an evaluation would end early. A
step is about what it takes to read one name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from watcher.conditions.syntax import (
    Call,
    Chain,
    Choice,
    Constant,
    Field,
    Group,
    Index,
    ListOf,
    Macro,
    MapOf,
    Method,
    Name,
    Node,
    Operation,
    Signed,
    walk,
)

__all__ = ["STEPS", "Budget", "is_bounded", "reckon"]

STEPS = 3_000_000
"""Steps of one evaluation of a condition, with all that it names: a fraction of a second."""

PER_STEP = 200
"""Characters that are read or copied in a step."""


class Size:
    """How large a value can be; of one of the event's, how large it is."""

    __slots__ = ("_length", "_total", "value")

    def __init__(self, length: int = 1, total: int | None = 1, value: Any = None) -> None:
        self._length = length
        self._total = total
        self.value = value

    @classmethod
    def of(cls, value: Any) -> Size:
        """Return the size of a value of the event."""
        known = value is not None
        return cls(_length(value), None if known else 1, value) if known else _SMALL

    @property
    def length(self) -> int:
        """Elements of a list or object, characters of a text."""
        return self._length

    @property
    def total(self) -> int:
        """Steps that it takes to copy it, or to compare it with another one."""
        if self._total is None:
            self._total = _total(self.value)
        return self._total

    def part(self) -> Size:
        """Return what a part of it can be, of which nothing is known."""
        return Size(self.total, self.total)  # an element may have more elements than its list


_SMALL = Size()


class Budget:
    """What is left for one evaluation of a condition, with all that it names."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS

    def take(self, steps: int) -> bool:
        """Take steps, if there are as many; return whether there were."""
        if steps > self.left:
            return False
        self.left -= steps
        return True


def is_bounded(node: Node) -> bool:
    """Return whether an evaluation surely takes few steps: it repeats nothing, whatever the event."""
    return not any(
        isinstance(one, Macro) or (isinstance(one, Method) and one.name == "matches")
        for one, _ in walk(node)
    )


def reckon(node: Node, names: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many steps the evaluation for an event takes at most, and as how many its value counts.

    `names` are the event's values.
    """
    used = {one.text for one, _ in walk(node) if isinstance(one, Name)}
    steps, size = _reckon(node, {name: Size.of(names[name]) for name in used & names.keys()})
    return steps, size.total


_Reckoned = tuple[int, Size]
"""The steps of a node, and the size of its value."""


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple | Mapping) else 1


def _total(value: Any) -> int:
    if isinstance(value, str):
        return 1 + len(value) // PER_STEP
    if isinstance(value, Mapping):
        return 1 + sum(_total(key) + _total(one) for key, one in value.items())
    if isinstance(value, list | tuple):
        return 1 + sum(map(_total, value))
    return 1


def _reckon(node: Node, known: Mapping[str, Size]) -> _Reckoned:
    match node:
        case Constant(text=text, value=value):
            return 1, Size(len(text), 1 + len(text) // PER_STEP, value)
        case Name(text=text):
            return 1, known.get(text, _SMALL)
        case Group(inner=inner) | Signed(operand=inner):
            return _reckon(inner, known)
        case Operation(operands=operands):
            return _operation(node, [_reckon(one, known) for one in operands])
        case Choice(test=test, yes=yes, no=no):
            several = [_reckon(one, known) for one in (test, yes, no)]
            return _steps(several), _largest([size for _, size in several[1:]])
        case ListOf(elements=elements):
            return _together([_reckon(one, known) for one in elements], len(elements))
        case MapOf(entries=entries):
            return _together(
                [_reckon(one, known) for pair in entries for one in pair], len(entries)
            )
        case Call(arguments=arguments):
            steps, size = _together([_reckon(one, known) for one in arguments], 1)
            return steps + size.total, Size(size.total * PER_STEP, size.total)
        case Chain(base=base, steps=several):
            steps, size = _reckon(base, known)
            for one in several:
                more, size = _step(one, size, known)
                steps += more
            return steps, size
    raise AssertionError(f"{type(node).__name__} cannot be reckoned")


def _steps(several: list[_Reckoned]) -> int:
    return 1 + sum(steps for steps, _ in several)


def _together(several: list[_Reckoned], length: int) -> _Reckoned:
    total = 1 + sum(size.total for _, size in several)
    return _steps(several) + total, Size(length, total)


def _largest(sizes: list[Size]) -> Size:
    return Size(max(one.length for one in sizes), max(one.total for one in sizes))


def _operation(node: Operation, several: list[_Reckoned]) -> _Reckoned:
    steps = _steps(several)
    if {one.text for one in node.operators} <= {"&&", "||"}:
        return steps, _SMALL
    sizes = [size for _, size in several]
    # `a + b + c` copies what is there once more for each operand.
    steps += sum(size.total for size in sizes) * len(sizes)
    if any(one.text == "+" for one in node.operators):
        return steps, Size(sum(one.length for one in sizes), sum(one.total for one in sizes))
    return steps, _SMALL


def _step(step: Field | Index | Method | Macro, base: Size, known: Mapping[str, Size]) -> _Reckoned:
    match step:
        case Field(name=name):
            return 1, _member(base, name)
        case Index(key=key):
            steps, size = _reckon(key, known)
            return 1 + steps, _member(base, size.value)
        case Method(name=name, arguments=arguments):
            several = [_reckon(one, known) for one in arguments]
            steps = _steps(several) + base.total + sum(size.total for _, size in several)
            if name == "matches":
                steps += sum(_search(size, base) for _, size in several)
            return steps, _SMALL
        case Macro():
            return _macro(step, base, known)


def _member(base: Size, key: Any) -> Size:
    """Return the size of a member; of one that is not known, what it can be at most."""
    if isinstance(base.value, Mapping) and isinstance(key, str):
        return Size.of(base.value.get(key))
    return base.part()


def _macro(macro: Macro, base: Size, known: Mapping[str, Size]) -> _Reckoned:
    element = base.part()
    if isinstance(base.value, Mapping | list | tuple):
        element = _largest([_SMALL, *(Size.of(one) for one in base.value)])
    within = {**known, macro.variable.text: element} if macro.variable is not None else known
    bodies = [_reckon(one, within) for one in macro.bodies]
    times = 0 if isinstance(base.value, str) else base.length  # a text has no elements: it fails
    steps = 1 + times * _steps(bodies)
    if macro.name == "filter":
        return steps + times * times // 4, base.part()
    if macro.name == "map":  # the library copies the list for each element that it adds
        each = max((size.total for _, size in bodies), default=1)
        return steps + times * times // 4, Size(times, 1 + times * each)
    return steps, _SMALL


# Regular expressions: compiled for each search, then run over the text

_ATOM = re.compile(
    r"\\[pP](?:\{[^}]*\}|.)|\\x\{[^}]*\}|\\(?P<word>[wW])|\\(?P<kind>[dDsSbB])|\\."
    r"|\[(?:\\.|\[:[^]]*:\]|[^\]\\])*\]|\{(?P<least>\d*)(?P<to>,(?P<most>\d*))?\}|.",
    re.DOTALL,
)
_LARGEST_PATTERN = 100_000
"""States above which a pattern is refused by the library anyway."""


def _search(pattern: Size, text: Size) -> int:
    """Return the steps of a search: those of compiling the pattern, and of its states at each sign."""
    if not isinstance(pattern.value, str):
        states, compiling = max(pattern.length, 1) * 100, max(pattern.length, 1) * 3_000
    else:
        states, compiling = _states(pattern.value)
    return compiling + states * text.total * PER_STEP // 10


def _states(pattern: str) -> tuple[int, int]:
    """Return how many states a pattern has at most, and the steps that compiling it takes."""
    groups: list[tuple[int, int]] = [(0, 40)]
    last = (0, 0)
    for atom in _ATOM.finditer(pattern):
        found = atom.group()
        if found == "(":
            groups.append((0, 0))
            continue
        if found == ")" and len(groups) > 1:
            last = groups.pop()
        elif found[0] == "{" and (atom["least"] or atom["most"]):
            times = max(int((atom["most"] or atom["least"] or "1")[:6]) - 1, 0)
            last = (last[0] * times, last[1] * times)
        elif found in "?*+|^$":
            last = (1, 20)
        else:
            heavy = atom["word"] or found[:2] in ("\\p", "\\P")
            last = (1, 3_000 if heavy else 100 if len(found) > 1 or found == "." else 20)
        states, compiling = groups[-1]
        groups[-1] = (
            min(states + last[0], _LARGEST_PATTERN),
            min(compiling + last[1], 1_000 * _LARGEST_PATTERN),
        )
    return sum(one for one, _ in groups), sum(one for _, one in groups)
