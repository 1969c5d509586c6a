"""Reads a CEL expression for its names and types: what the compiler of the library lets pass.

Law: pure; it judges, it never evaluates. Every place of an expression is read, also those that
an evaluation would skip (behind `||`, `&&`, `?:`, in macros). What is not known (`attributes`)
is allowed. One recursive descent over the grammar of the CEL specification.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from watcher.conditions.functions import (
    MACROS,
    TYPES,
    Objections,
    Placed,
    call_function,
    call_method,
)
from watcher.conditions.names import CONDITIONS
from watcher.conditions.syntax import Cursor, Stop, Token
from watcher.conditions.types import (
    LEVELS,
    Problem,
    Term,
    combine,
    demand,
    either,
    index,
    member,
    never_in,
    walked,
)
from watcher.suggest import nearest
from watcher.vocabulary import ANY, BOOL, EVENT_SHAPE, NUMBER, STRING, Shape

__all__ = ["Finding", "Reading", "read"]

DEEPEST = 50
NESTED_MACROS = 2

_LITERALS = {"true": BOOL, "false": BOOL, "null": Shape("null")}
_FOREIGN = {"none": "null", "nil": "null", "undefined": "null", "true": "true", "false": "false"}
_ROOTS = EVENT_SHAPE.members or {}


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: `offset` counts characters, `suggestion` is what was probably meant."""

    message: str
    offset: int
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What an expression says: the shape of its result, the root names that it reads, the regular
    expressions written in it (with their offsets), variables of macros that hide a root name, and
    its mistakes in reading order.
    """

    shape: Shape
    roots: frozenset[str]
    patterns: tuple[tuple[str, int], ...]
    hiding: tuple[Token, ...]
    findings: tuple[Finding, ...]


def read(source: str, more: Sequence[str] = (), named: Iterable[str] = ()) -> Reading:
    """Read an expression that the library compiles; raises Stop where no token fits.

    `more` are names of texts that it may read besides those of an event, `named` the conditions
    that it may name.
    """
    shape, stopped = ANY, []
    conditions = Shape("map", dict.fromkeys(named, BOOL))
    known = {**_ROOTS, **dict.fromkeys(more, STRING), CONDITIONS: conditions}
    reader = _Reader(source, known)
    try:
        shape = reader.whole().shape
    except Stop as stop:
        stopped = [Finding(stop.message, stop.offset)]
    findings = sorted(reader.findings + stopped, key=lambda one: one.offset)
    roots, patterns = frozenset(reader.roots), tuple(reader.patterns)
    return Reading(shape, roots, patterns, tuple(reader.hiding), tuple(findings))


class _Reader(Cursor):
    def __init__(self, source: str, known: Mapping[str, Shape]) -> None:
        super().__init__(source)
        self.known = known
        self.named = known[CONDITIONS].members or {}
        self.depth = 0
        self.macros = 0
        self.scope: dict[str, Shape] = {}
        self.roots: set[str] = set()
        self.patterns: list[tuple[str, int]] = []
        self.hiding: list[Token] = []
        self.findings: list[Finding] = []

    def object_to(self, problem: Problem | None, offset: int) -> None:
        if problem is not None:
            self.findings.append(Finding(problem[0], offset, problem[1]))

    # The grammar

    def whole(self) -> Term:
        term = self.expression()
        if self.token.kind != "end":
            raise Stop(f"unexpected {self.token.text!r}", self.token.offset)
        return term

    def expression(self) -> Term:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Stop(f"the expression is nested more than {DEEPEST} deep", self.token.offset)
        at = self.token.offset
        term = self.binary(1)
        if self.accept("?"):
            self.object_to(demand(term, "bool", "before '?'"), at)
            yes = self.expression()
            self.expect(":")
            no = self.expression()
            term = Term(either(yes.shape, no.shape))
        self.depth -= 1
        return term

    def binary(self, level: int) -> Term:
        at = self.token.offset
        left = self.unary()
        while (operator := self.token.text) in LEVELS:
            if LEVELS[operator] < level:
                break
            place = self.take().offset
            right_at = self.token.offset
            right = self.binary(LEVELS[operator] + 1)
            if operator in ("&&", "||"):
                self.object_to(demand(left, "bool", f"beside '{operator}'"), at)
                self.object_to(demand(right, "bool", f"beside '{operator}'"), right_at)
                left = Term(BOOL)
            elif operator == "in":
                self.object_to(never_in(left, right), at)
                left = Term(BOOL)
            else:
                left, problem = combine(operator, left, right)
                self.object_to(problem, place)
        return left

    def unary(self) -> Term:
        signs = []
        while self.token.kind == "symbol" and self.token.text in ("!", "-"):
            signs.append(self.take().text)
        at = self.token.offset
        term = self.member()
        for sign in reversed(signs):
            shape = BOOL if sign == "!" else NUMBER
            self.object_to(demand(term, shape.kind, f"after '{sign}'"), at)
            term = Term(shape)
        return term

    def member(self) -> Term:
        term = self.primary()
        while True:
            if self.accept("."):
                name = self.take()
                if self.accept("("):
                    term = self.method(term, name)
                else:
                    term, problem = member(term, name.text)
                    self.object_to(problem, name.offset)
            elif self.accept("["):
                at = self.token.offset
                key = self.expression()
                self.expect("]")
                term, problem = index(term, key)
                self.object_to(problem, at)
            else:
                return term

    def primary(self) -> Term:
        token = self.take()
        if token.kind == "string":
            return Term(STRING, literal=token.value)
        if token.kind == "bytes":
            return Term(ANY)
        if token.kind == "number":
            return Term(NUMBER)
        if token.kind == "name":
            return self.function(token) if self.accept("(") else self.name(token)
        if token.text == "(":
            term = self.expression()
            self.expect(")")
            return term
        if token.text == "[":
            return self.list_literal()
        if token.text == "{":
            return self.map_literal()
        if token.text == "." and self.token.kind == "name":
            raise Stop("a name does not begin with '.'", token.offset)
        raise Stop(f"unexpected {token.text or 'end'!r}", token.offset)

    def list_literal(self) -> Term:
        shapes: list[Shape] = []
        while not self.accept("]"):
            shapes.append(self.expression().shape)
            if not self.accept(","):
                self.expect("]")
                break
        element = shapes[0] if shapes else ANY
        for shape in shapes[1:]:
            element = either(element, shape)
        return Term(Shape("list", element=element))

    def map_literal(self) -> Term:
        while not self.accept("}"):
            self.expression()
            self.expect(":")
            self.expression()
            if not self.accept(","):
                self.expect("}")
                break
        return Term(Shape("map"))

    def name(self, token: Token) -> Term:
        name = token.text
        if self.accept("{"):
            raise Stop(f"messages such as {name}{{…}} are not supported", token.offset)
        if name in _LITERALS:
            return Term(_LITERALS[name])
        if name in self.scope:
            return Term(self.scope[name], path=name)
        if name in self.known:
            self.roots.add(name)
            return Term(self.known[name], path=name)
        if name not in TYPES:
            known = [*self.scope, *(one for one in self.known if one != CONDITIONS or self.named)]
            message = f"{name!r} is not known here; there are {', '.join(known)}"
            self.object_to((message, _meant(name, known, self.named)), token.offset)
        return Term(ANY, path=name)

    # Calls: the opening parenthesis is taken already

    def arguments(self) -> list[Placed]:
        found: list[Placed] = []
        while not self.accept(")"):
            at = self.token.offset
            found.append((self.expression(), at))
            if not self.accept(","):
                self.expect(")")
                break
        return found

    def function(self, name: Token) -> Term:
        return self.judged(*call_function(name, self.arguments()))

    def method(self, base: Term, name: Token) -> Term:
        if name.text in MACROS:
            return self.macro(base, name)
        arguments = self.arguments()
        if name.text == "matches":
            self.patterns += [(term.literal, at) for term, at in arguments if term.literal]
        return self.judged(*call_method(base, name, arguments))

    def judged(self, term: Term, objections: Objections) -> Term:
        for problem, offset in objections:
            self.object_to(problem, offset)
        return term

    def macro(self, base: Term, token: Token) -> Term:
        self.object_to(demand(base, ("list", "map"), f"before .{token.text}()"), token.offset)
        variable = self.take()
        bodies: list[Placed] = []
        with self.bound(variable, walked(base.shape), token):
            while self.accept(","):
                at = self.token.offset
                bodies.append((self.expression(), at))
            self.expect(")")
        if len(bodies) + 1 not in MACROS[token.text]:
            message = f".{token.text}() takes a variable and an expression"
            self.object_to((message, None), token.offset)
            return Term(ANY)
        conditions = bodies[:-1] if token.text == "map" else bodies
        for term, at in conditions:
            self.object_to(demand(term, "bool", f"in .{token.text}()"), at)
        if token.text == "map":
            return Term(Shape("list", element=bodies[-1][0].shape))
        if token.text == "filter":
            return Term(Shape("list", element=walked(base.shape)))
        return Term(BOOL)

    @contextmanager
    def bound(self, variable: Token, shape: Shape, macro: Token) -> Iterator[None]:
        """Read on with a macro's variable in scope.

        Nesting is limited because the library has no limit of its own on the steps that an
        evaluation takes, and a condition must not hold up the others.
        """
        if self.macros >= NESTED_MACROS:
            message = f".{macro.text}() is nested more than {NESTED_MACROS} deep"
            raise Stop(message, macro.offset)
        if variable.text in self.known:
            self.hiding.append(variable)
        outer = self.scope
        self.scope = {**outer, variable.text: shape}
        self.macros += 1
        yield
        self.macros -= 1
        self.scope = outer


def _meant(name: str, known: list[str], named: Collection[str]) -> str | None:
    """Guess what an unknown name stands for: another one, a literal, a condition or a field."""
    if name in named:
        return f"{CONDITIONS}.{name}"
    if name.casefold() in _FOREIGN:
        return _FOREIGN[name.casefold()]
    fields = _ROOTS["conversation"].members or {}
    if name in fields:
        return f"conversation.{name}"
    if guess := nearest(name, [*known, *_LITERALS]):
        return guess
    field = nearest(name, fields)
    return f"conversation.{field}" if field else None
