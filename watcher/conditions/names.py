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

__all__ = ["UnknownName", "compared", "paths", "unknown_names"]


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


def compared(node: Node, variables: Collection[str]) -> Iterator[tuple[str, Constant]]:
    """Yield each variable with each text that it is compared with by `==`, `!=` or `in [...]`.

    Other comparisons (`startsWith`, `matches`) say nothing about which names there are.
    """
    for one, bound in walk(node):
        if not isinstance(one, Operation) or len(one.operands) != 2:
            continue
        left, right = map(bare, one.operands)
        operator = one.operators[0].text
        if operator in ("==", "!="):
            pairs = [(left, right), (right, left)]
        elif operator == "in" and isinstance(right, ListOf):
            pairs = [(left, bare(element)) for element in right.elements]
        else:
            continue
        for name, constant in pairs:
            if (
                isinstance(name, Name)
                and name.text in variables
                and name.text not in bound
                and isinstance(constant, Constant)
                and constant.value is not None
            ):
                yield name.text, constant


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
        UnknownName(kind, constant.value, constant.start)
        for kind, constant in compared(tree.root, known)
        if constant.value is not None and constant.value not in known[kind]
    )
