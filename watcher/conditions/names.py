"""What an expression names: values of the event, and the names that it compares with.

Rules: pure; visitors over the tree of `watcher.conditions.syntax`. A variable of a macro is never
taken for a name of the same spelling outside of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from watcher.conditions.syntax import (
    Chain,
    Constant,
    Field,
    ListOf,
    Name,
    Node,
    Operation,
    Tree,
    bare,
    walk,
)

__all__ = ["Comparison", "UnknownName", "compared", "demanded", "paths", "unknown_names"]


def paths(node: Node, roots: Collection[str]) -> tuple[str, ...]:
    """Return the values of the event that a node reads, such as `conversation.team.id`, each once.

    `roots` are the names at which a path begins. It ends before a method and before `[`.
    """
    found: dict[str, None] = {}
    base: Node | None = None
    for one, bound in walk(node):
        steps: tuple[Node, ...] = ()
        if one is base:
            continue  # part of the chain just seen
        if isinstance(one, Chain):
            steps, one = one.steps, one.base
            base = one
        if isinstance(one, Name) and one.text in roots and one.text not in bound:
            path = one.text
            for step in steps:
                if not isinstance(step, Field):
                    break
                path += f".{step.name}"
            found[path] = None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A value of the event that is compared with a constant."""

    path: str
    """The value, such as `source` or `conversation.status`."""
    operator: str
    """`==`, `!=`, `<`, `<=`, `>`, `>=`, or `in` for an element of a list that is written out."""
    constant: Constant
    """What it is compared with."""


def compared(node: Node, roots: Collection[str]) -> Iterator[Comparison]:
    """Yield each value of the event with each constant that it is compared with.

    `roots` are the names at which a value's path begins. Methods (`startsWith`, `matches`) say
    nothing about which values there are.
    """
    for one, bound in walk(node):
        if not isinstance(one, Operation):
            continue
        # In `a == b == c` the second comparison is with the first one's result.
        left, right, operator = *map(bare, one.operands[:2]), one.operators[0].text
        if operator in ("==", "!=", "<", "<=", ">", ">="):
            pairs = [(left, right), (right, left)]
        elif operator == "in" and isinstance(right, ListOf):
            pairs = [(left, bare(element)) for element in right.elements]
        else:
            continue
        for value, constant in pairs:
            path = _path(value, roots, bound)
            if path and isinstance(constant, Constant):
                yield Comparison(path, operator, constant)


def demanded(tree: Tree, name: str) -> frozenset[str] | None:
    """Return the texts of which a variable must be one for a condition to hold; None for any.

    Only what is joined by `&&` to all the rest is demanded.
    """
    found: frozenset[str] | None = None
    for part in _together(tree.root):
        if not isinstance(part, Operation) or part.operators[0].text not in ("==", "in"):
            continue
        texts = {one.constant.value for one in compared(part, (name,)) if one.path == name}
        listed = bare(part.operands[1])
        whole = len(part.operators) == 1 and None not in texts
        if isinstance(listed, ListOf):
            whole = whole and len(texts) == len(listed.elements)
        if texts and whole:
            values = frozenset(text for text in texts if text is not None)
            found = values if found is None else found & values
    return found


def _together(node: Node) -> Iterator[Node]:
    """Yield the parts of which all must hold."""
    inner = bare(node)
    if isinstance(inner, Operation) and inner.operators[0].text == "&&":
        for one in inner.operands:
            yield from _together(one)
    else:
        yield inner


def _path(node: Node, roots: Collection[str], bound: Collection[str]) -> str:
    """Return the path that a node spells, empty if it is not one."""
    base, steps = (node.base, node.steps) if isinstance(node, Chain) else (node, ())
    if not isinstance(base, Name) or base.text not in roots or base.text in bound:
        return ""
    names = [step.name for step in steps if isinstance(step, Field)]
    return ".".join((base.text, *names)) if len(names) == len(steps) else ""


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A text that a variable is compared with, and that is none of the names there are."""

    kind: str
    """The variable: `source`, `rule`, `receiver`."""
    name: str
    """The text."""
    offset: int
    """Where it stands, in characters from the expression's start."""


def unknown_names(tree: Tree, known: Mapping[str, Collection[str]]) -> tuple[UnknownName, ...]:
    """Return the texts that the variables of `known` are compared with and that are not among
    their names: a silence with such a comparison stops nothing, or too much.
    """
    return tuple(
        UnknownName(one.path, one.constant.value, one.constant.start)
        for one in compared(tree.root, known)
        if one.operator in ("==", "!=", "in")
        and one.constant.value is not None
        and one.constant.value not in known.get(one.path, (one.constant.value,))
    )
