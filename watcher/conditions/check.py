"""Checks an expression's tree: every name, type, call and regular expression in it.

Rules: pure; the expression is never evaluated. Every place is checked, also those that an
evaluation would skip (behind `||`, `&&`, `?:`, in macros). What the tree cannot know (the inside of
`attributes`) is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from watcher.conditions.functions import TYPES, Objections, Placed, call_function, call_method
from watcher.conditions.library import explain_pattern
from watcher.conditions.syntax import (
    CONDITIONS,
    DEEPEST,
    LEVELS,
    MACROS,
    Call,
    Chain,
    Choice,
    Constant,
    ExpressionError,
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
    Reference,
    Signed,
    Token,
    Tree,
    bare,
    children,
)
from watcher.conditions.types import (
    Problem,
    Term,
    combine,
    demand,
    either,
    index,
    member,
    never_equal,
    never_in,
    walked,
)
from watcher.suggest import nearest
from watcher.vocabulary import ANY, BOOL, EVENT_SHAPE, NUMBER, STRING, Shape

__all__ = ["Checked", "check", "mistakes_with"]

NESTED_MACROS = 2
"""How deep macros may be nested. The library does not limit the steps of an evaluation, and one
condition must not hold up the others.
"""

_ROOTS = EVENT_SHAPE.members or {}
_CONSTANTS = {"bool": BOOL, "null": Shape("null"), "number": NUMBER, "bytes": ANY}
_FOREIGN = {"none": "null", "nil": "null", "undefined": "null", "true": "true", "false": "false"}
"""Constants of other languages, and CEL's."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What an expression's tree says."""

    shape: Shape
    """What is known of the result's type."""
    roots: frozenset[str]
    """The names of the event that it reads itself, not through conditions that it names."""
    mistakes: tuple[ExpressionError, ...]
    """In reading order."""


def check(tree: Tree, more: Sequence[str], named: Mapping[str, Tree]) -> Checked:
    """Check an expression.

    `more` are names of texts that it may read in addition to those of an event, `named` the
    conditions that it may name, with all that those name in turn.
    """
    checker = _Checker({**_ROOTS, **dict.fromkeys(more, STRING)}, named)
    shape = checker.term(tree.root).shape
    mistakes = [*tree.mistakes, *checker.mistakes, *_nested_too_deep(tree.root, named)]
    mistakes.sort(key=lambda one: one.offset)
    return Checked(shape, frozenset(checker.roots), tuple(mistakes))


def mistakes_with(shape: Shape, tree: Tree) -> tuple[ExpressionError, ...]:
    """Return what is wrong with an expression where more is known of an event than everywhere.

    The expression is right by itself, and `shape` is that of `EVENT_SHAPE` or narrower.
    """
    checker = _Checker(shape.members or {}, [one.name for one in tree.references])
    checker.term(tree.root)
    return tuple(sorted(checker.mistakes, key=lambda one: one.offset))


class _Checker:
    """Finds the type of each node; `scope` holds the variables of the macros around it."""

    def __init__(self, known: Mapping[str, Shape], named: Collection[str]) -> None:
        self.known = known
        self.named = Term(Shape("map", dict.fromkeys(named, BOOL)), CONDITIONS)
        self.scope: dict[str, Shape] = {}
        self.hiding: list[Token] = []
        self.roots: set[str] = set()
        self.mistakes: list[ExpressionError] = []

    def object_to(self, problem: Problem | None, offset: int) -> None:
        if problem is not None:
            self.mistakes.append(ExpressionError(problem[0], offset, problem[1]))

    def judged(self, term: Term, objections: Objections) -> Term:
        for problem, offset in objections:
            self.object_to(problem, offset)
        return term

    def placed(self, nodes: Sequence[Node]) -> list[Placed]:
        return [(self.term(one), one.start) for one in nodes]

    def term(self, node: Node) -> Term:
        match node:
            case Constant(kind="string", value=value):
                return Term(STRING, literal=value)
            case Constant(kind=kind):
                return Term(_CONSTANTS[kind])
            case Name():
                return self.name(node)
            case Reference():
                return self.reference(node)
            case Group(inner=inner):
                return self.term(inner)
            case Signed():
                return self.signed(node)
            case Operation():
                return self.operation(node)
            case Choice(test=test, yes=yes, no=no):
                self.object_to(demand(self.term(test), "bool", "before '?'"), test.start)
                return Term(either(self.term(yes).shape, self.term(no).shape))
            case ListOf(elements=elements):
                return self.list_of(elements)
            case MapOf(entries=entries):
                for entry in entries:
                    self.placed(entry)
                return Term(Shape("map"))
            case Call(name="has", arguments=(Reference(name=name),)):
                message = f"has() asks whether a field exists; write conditions.{name} alone"
                self.object_to((message, None), node.start)
                return Term(BOOL)
            case Call(name=name, arguments=arguments):
                return self.judged(*call_function(name, node.start, self.placed(arguments)))
            case Chain(base=base, steps=steps):
                term = self.term(base)
                for step in steps:
                    term = self.step(term, step)
                return term
        raise AssertionError(f"{type(node).__name__} has no type")

    def name(self, node: Name) -> Term:
        name = node.text
        if name in self.scope:
            return Term(self.scope[name], path=name)
        if name in self.known:
            self.roots.add(name)
            return Term(self.known[name], path=name)
        if name == CONDITIONS:
            self.object_to(_MISUSED, node.start)
        elif name not in TYPES:
            conditions = self.named.shape.members or {}
            known = [*self.scope, *self.known, *([CONDITIONS] if conditions else [])]
            message = f"unknown name {name!r}; known here: {', '.join(known)}"
            self.object_to((message, _meant(name, known, conditions)), node.start)
        return Term(ANY, path=name)

    def reference(self, node: Reference) -> Term:
        # The condition's own text means the event's value, also where a variable has its name.
        for variable in self.hiding:
            message = f"a variable around `conditions.NAME` cannot be called {variable.text!r}"
            if all(one.offset != variable.offset for one in self.mistakes):
                self.object_to((message, None), variable.offset)
        term, problem = member(self.named, node.name)
        self.object_to(problem, node.at)
        return term

    def signed(self, node: Signed) -> Term:
        term = self.term(node.operand)
        for sign in reversed(node.signs):
            shape = BOOL if sign == "!" else NUMBER
            self.object_to(demand(term, shape.kind, f"after '{sign}'"), node.operand.start)
            term = Term(shape)
        return term

    def operation(self, node: Operation) -> Term:
        first, *rest = node.operands
        left = self.term(first)
        for operator, operand in zip(node.operators, rest, strict=True):
            right = self.term(operand)
            if operator.text in ("&&", "||"):
                where = f"next to '{operator.text}'"
                self.object_to(demand(left, "bool", where), node.start)
                self.object_to(demand(right, "bool", where), operand.start)
                left = Term(BOOL)
            elif operator.text == "in":
                if not self.unlike_elements(left, operand):
                    self.object_to(never_in(left, right), node.start)
                left = Term(BOOL)
            else:
                if operator.text in ("==", "!="):
                    self.object_to(never_equal(left, right), operand.start)
                    self.object_to(never_equal(right, left), node.start)
                meant = _quoted(left, operand) or _quoted(right, first)
                left, problem = combine(operator.text, left, right)
                if problem is not None and LEVELS[operator.text] == LEVELS["=="]:
                    problem = (problem[0], meant)
                self.object_to(problem, operator.offset)
        return left

    def unlike_elements(self, sought: Term, node: Node) -> bool:
        """Object to constants of a list that is written out and that a value can never equal."""
        before = len(self.mistakes)
        match bare(node):
            case ListOf(elements=elements):
                for one in elements:
                    match bare(one):
                        case Constant(kind="string", value=value):
                            constant = Term(STRING, literal=value)
                        case Constant(kind=kind):
                            constant = Term(_CONSTANTS[kind])
                        case _:
                            continue
                    unlike = combine("==", sought, constant)[1]
                    if unlike is not None:
                        unlike = (unlike[0], _quoted(sought, one))
                    self.object_to(unlike or never_equal(sought, constant), one.start)
        return len(self.mistakes) > before

    def list_of(self, elements: Sequence[Node]) -> Term:
        shapes = [self.term(one).shape for one in elements]
        element = shapes[0] if shapes else ANY
        for shape in shapes[1:]:
            element = either(element, shape)
        return Term(Shape("list", element=element))

    def step(self, base: Term, step: Field | Index | Method | Macro) -> Term:
        match step:
            case Field(name=name):
                term, problem = member(base, name)
                self.object_to(problem, step.start)
            case Index(key=key):
                term, problem = index(base, self.term(key))
                self.object_to(problem, key.start)
            case Method(name=name):
                arguments = self.placed(step.arguments)
                if name == "matches":
                    self.patterns(arguments)
                term = self.judged(*call_method(base, name, step.start, arguments))
            case Macro():
                term = self.macro(base, step)
        return term

    def patterns(self, arguments: Sequence[Placed]) -> None:
        """Check the regular expressions, also those that a trial run would not reach."""
        for term, offset in arguments:
            if term.literal and (cause := explain_pattern(term.literal)):
                self.object_to((f"this is not a valid regular expression: {cause}", None), offset)

    def macro(self, base: Term, macro: Macro) -> Term:
        name = macro.name
        self.object_to(demand(base, ("list", "map"), f"before .{name}()"), macro.start)
        bodies = self.bodies(base, macro)
        if len(bodies) + 1 not in MACROS[name]:
            self.object_to((f".{name}() takes a variable and an expression", None), macro.start)
            return Term(ANY)
        for term, offset in bodies[:-1] if name == "map" else bodies:
            self.object_to(demand(term, "bool", f"in .{name}()"), offset)
        if name == "map":
            return Term(Shape("list", element=bodies[-1][0].shape))
        if name == "filter":
            return Term(Shape("list", element=walked(base.shape)))
        return Term(BOOL)

    def bodies(self, base: Term, macro: Macro) -> list[Placed]:
        variable, scope, hiding = macro.variable, self.scope, self.hiding
        if variable is not None:
            if variable.text == CONDITIONS:
                self.object_to(_MISUSED, variable.offset)
            self.scope = {**scope, variable.text: walked(base.shape)}
            self.hiding = [*hiding, variable] if variable.text in self.known else hiding
        placed = self.placed(macro.bodies)
        self.scope, self.hiding = scope, hiding
        return placed


def _quoted(term: Term, other: Node) -> str | None:
    """Return the text that was meant by a number or a truth value that a text is compared with."""
    match bare(other):
        case Constant(kind="number" | "bool", text=text):
            return f'"{text}"' if term.shape.kind == "string" else None
        case Signed(signs="-", operand=Constant(kind="number", text=text)):
            return f'"-{text}"' if term.shape.kind == "string" else None
    return None


_MISUSED = ("`conditions` needs a name: conditions.NAME", None)


def _meant(name: str, known: list[str], named: Collection[str]) -> str | None:
    """Guess what an unknown name stands for: another one, a constant, a condition or a field."""
    if name in named:
        return f"{CONDITIONS}.{name}"
    if name.casefold() in _FOREIGN:
        return _FOREIGN[name.casefold()]
    conversation = _ROOTS["conversation"].members or {}
    if name in conversation:
        return f"conversation.{name}"
    if guess := nearest(name, [*known, "true", "false", "null"]):
        return guess
    field = nearest(name, conversation)
    return f"conversation.{field}" if field else None


def _nested_too_deep(
    node: Node,
    named: Mapping[str, Tree],
    depth: int = 1,
    macros: int = 0,
    through: Reference | None = None,
) -> Iterator[ExpressionError]:
    """Find what is nested too deep, alone or together with the conditions that it names.

    What is too deep only `through` a reference is reported at the reference.
    """
    problem, place = "", node.start
    if isinstance(node, Macro):
        macros += 1
        if macros > NESTED_MACROS:
            problem = f".{node.name}() is nested more than {NESTED_MACROS} deep"
    if through is not None:
        place = through.start
        if depth > DEEPEST:
            problem = f"the expression is nested more than {DEEPEST} deep"
        if problem:
            problem = f"with the conditions that it names: {problem}"
    if problem:
        yield ExpressionError(problem, place)
        return
    if isinstance(node, Reference) and node.name in named:
        inner = named[node.name].root
        yield from islice(_nested_too_deep(inner, named, depth + 1, macros, through or node), 1)
    # These hold expressions of their own; the others are joined to what stands around them.
    if not isinstance(node, Operation | Signed | Chain | Reference):
        depth += 1
    for child in children(node):
        yield from _nested_too_deep(child, named, depth, macros, through)
