"""Compiling: an expression's text becomes a condition, or every mistake in it is reported.

Rules: pure. The order is the library's syntax check, the tree, the checks of the tree, a trial run
over sample events. Each text is parsed once.
"""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from watcher.conditions.budget import is_bounded
from watcher.conditions.check import check
from watcher.conditions.evaluate import (
    Condition,
    Context,
    Expression,
    Joined,
    Leaf,
    Named,
    Negated,
    Part,
    context,
    name_kind,
)
from watcher.conditions.library import FAILURES, compile_text, explain_failure
from watcher.conditions.names import paths
from watcher.conditions.syntax import (
    DEEPEST,
    ExpressionError,
    Name,
    Node,
    Operation,
    Reference,
    Signed,
    Token,
    Tree,
    bare,
    parse,
    write,
)
from watcher.conditions.types import WORDS
from watcher.vocabulary import SAMPLES, Shape

__all__ = ["compile_condition", "compile_conditions", "compile_expression"]

LONGEST = 4096
"""Characters of an expression, with what it names. The library's parser recurses: at eight times
this length a chain such as `1 + 1 + …` was seen to overflow a thread's stack of 8 MB, which ends
the process.
"""

SILENCE_NAMES = ("rule", "receiver", "severity")
"""What the `match` of a silence sees in addition to the event."""


@functools.cache
def _samples() -> tuple[Context, ...]:
    return tuple(context(sample, **dict.fromkeys(SILENCE_NAMES, "")) for sample in SAMPLES)


_SAME_CONVERSATION = '[source, conversation == null ? "" : conversation.id]'


def compile_condition(
    source: str,
    named: Mapping[str, Condition] | None = None,
    *,
    silence: bool = False,
    zone: tzinfo | None = None,
) -> Condition:
    """Compile an expression; raise ExpressionError with every mistake that is found.

    `local` is the event's time in `zone`, in UTC where there is none.

    `named` are the conditions that it may name as `conditions.NAME`, with all that those name in
    turn. With `silence` it also sees `rule`, `receiver` and `severity`.
    """
    return _condition(_read(source), named or {}, SILENCE_NAMES if silence else (), zone)


def compile_expression(
    source: str, named: Mapping[str, Condition] | None = None, *, zone: tzinfo | None = None
) -> Expression:
    """Compile an expression that groups events; raise ExpressionError as for conditions.

    The word `conversation` stands for the conversation's id: the whole changes with every event.
    """
    tree = _read(source)
    match bare(tree.root):
        case Name(text="conversation"):
            tree = parse(_SAME_CONVERSATION)
    found = _checked(tree, named or {}, ())
    _try(found, boolean=False)
    there = zone if "local" in found.roots else None
    whole = parse(found.whole).root
    return Expression(source, found.names, tree, compile_text(found.whole), whole, there)


def compile_conditions(
    sources: Mapping[str, str], *, zone: tzinfo | None = None
) -> tuple[dict[str, Condition], dict[str, ExpressionError]]:
    """Compile conditions that may name each other; return them, and what is wrong, by name.

    One that cannot be compiled is among the conditions all the same, as one that is always true,
    so that those that name it can be checked.
    """
    if not sources:  # the library is not needed
        return {}, {}
    stand_in = compile_condition("true")
    done: dict[str, Condition] = {}
    wrong: dict[str, ExpressionError] = {}
    trees: dict[str, Tree] = {}
    for name, source in sources.items():
        try:
            trees[name] = _read(source)
        except ExpressionError as error:
            wrong[name], done[name] = error, stand_in
    known = ChainMap(done, dict.fromkeys(sources, stand_in))

    def visit(name: str, way: tuple[str, ...]) -> None:
        """Compile a condition after those that it names; `way` are those on the way to it."""
        if name in done or name not in trees:
            return
        try:
            for one in trees[name].references:
                _check_way((*way, name), one)
                visit(one.name, (*way, name))
            done[name] = _condition(trees[name], known, (), zone)
        except ExpressionError as error:
            wrong[name], done[name] = error, stand_in

    for name in sources:
        visit(name, ())
    return done, wrong


def _check_way(way: tuple[str, ...], to: Reference) -> None:
    """Raise ExpressionError if conditions name each other in a circle, or in too long a chain."""
    if to.name in way:
        circle = " → ".join((*way[way.index(to.name) :], to.name))
        raise ExpressionError(f"conditions name each other in a circle: {circle}", to.at)
    if len(way) >= DEEPEST:
        raise ExpressionError(f"conditions name each other more than {DEEPEST} deep", to.at)


def _read(source: str) -> Tree:
    if not source.strip():
        raise ExpressionError("the expression is empty")
    if len(source) > LONGEST:
        raise ExpressionError(f"the expression is longer than {LONGEST} characters", LONGEST)
    compile_text(source)
    return parse(source)


@dataclass(frozen=True, slots=True)
class _Compilable:
    """An expression without mistakes."""

    tree: Tree
    shape: Shape
    roots: frozenset[str]
    """The names of the event that it reads, also through the conditions that it names."""
    named: Mapping[str, Condition]
    """The conditions that it names itself."""
    trees: Mapping[str, Tree]
    """All conditions that it may name."""
    whole: str
    """Its text with the conditions that it names put in."""

    @property
    def names(self) -> frozenset[str]:
        """The conditions that it names, also through others."""
        return frozenset(self.named).union(*(one.names for one in self.named.values()))


def _checked(tree: Tree, named: Mapping[str, Condition], more: tuple[str, ...]) -> _Compilable:
    """Check a tree; raise ExpressionError with every mistake that is found."""
    trees = {name: condition.tree for name, condition in named.items()}
    checked = check(tree, more, trees)
    if checked.mistakes:
        first, *others = checked.mistakes
        first.others = tuple(others)
        raise first
    used = {one.name: named[one.name] for one in tree.references}
    whole = write(tree.root, trees)
    if used and len(whole) > LONGEST:
        message = f"the expression is longer than {LONGEST} characters"
        place = tree.references[0].start
        raise ExpressionError(f"with the conditions that it names: {message}", place)
    roots = checked.roots.union(*(one.roots for one in used.values()))
    return _Compilable(tree, checked.shape, roots, used, trees, whole)


def _condition(
    tree: Tree, named: Mapping[str, Condition], more: tuple[str, ...], zone: tzinfo | None
) -> Condition:
    found = _checked(tree, named, more)
    if found.shape.kind not in ("bool", "any"):
        message = f"the condition returns {WORDS[found.shape.kind]}, not true or false"
        raise ExpressionError(message, tree.root.start)
    _try(found, boolean=True)
    return Condition(
        tree.source, found.whole, tree, found.roots, found.names, _part(tree.root, found, zone)
    )


def _part(node: Node, found: _Compilable, zone: tzinfo | None) -> Part:
    """Split a node at `&&`, `||` and `!`, down to what is evaluated on its own.

    What is not certainly a part stays whole, so the parts together always mean what the whole means.
    """
    match bare(node):
        case Operation(operands=operands, operators=(Token(text="&&" | "||" as operator), *_)):
            return Joined(operator, tuple(_part(one, found, zone) for one in operands))
        case Signed(signs=signs, operand=operand) if "-" not in signs:
            inner = _part(operand, found, zone)
            return Negated(inner) if len(signs) % 2 else inner
        case Reference(name=name):
            return Named(name, found.named[name].part)
        case leaf:
            text = write(leaf, found.trees)
            program = compile_text(text)
            there = zone if "local" in found.roots else None
            whole = parse(text).root
            repeating = None if is_bounded(whole) else whole
            read = paths(leaf, found.roots)
            return Leaf(found.tree.text(leaf), read, text, program, there, repeating)


def _try(found: _Compilable, *, boolean: bool) -> None:
    """Evaluate an expression for the sample events; raise ExpressionError if it can never work.

    In the first sample every field has a value, so only what is open may be missing there; in the
    others anything may be null.
    """
    program, start = compile_text(found.whole), found.tree.root.start
    for number, sample in enumerate(_samples()):
        try:
            result = program.execute(sample.values)
        except LookupError:
            continue  # a key of `attributes`, a label by number: known only at run time
        except FAILURES as failure:
            if number == 0:
                message = f"fails on a sample event: {explain_failure(failure)}"
                raise ExpressionError(message, start) from None
            continue
        if boolean and not isinstance(result, bool):
            message = f"the condition returns {name_kind(result)}, not true or false"
            raise ExpressionError(message, start)
