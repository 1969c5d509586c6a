"""The syntax of conditions: an expression's text becomes one tree, in which each node has its place.

Rules: pure, and only syntax: nothing here knows a name, a type or an event. The grammar is the CEL
specification's (`doc/langdef.md`, section "Syntax") with one addition: `conditions.NAME` is a node
of its own. The library that evaluates decides what CEL accepts (`watcher.conditions.library`); the
parser reads what the library has accepted.

Depth is bounded: a run of operators of one precedence, a run of signs and a chain of fields are one
node each, so only brackets and `?:` make a tree deeper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from watcher.errors import WatcherError

__all__ = [
    "CONDITIONS",
    "DEEPEST",
    "MACROS",
    "Call",
    "Chain",
    "Choice",
    "Constant",
    "ExpressionError",
    "Field",
    "Group",
    "Index",
    "ListOf",
    "Macro",
    "MapOf",
    "Method",
    "Name",
    "Node",
    "Operation",
    "Reference",
    "Signed",
    "Token",
    "Tree",
    "bare",
    "children",
    "parse",
    "walk",
    "write",
]

CONDITIONS = "conditions"
"""The name that stands before the name of a shared condition."""

DEEPEST = 50
"""How deep brackets and `?:` may be nested."""

MACROS: Mapping[str, tuple[int, ...]] = {
    "all": (2,),
    "exists": (2,),
    "exists_one": (2,),
    "filter": (2,),
    "map": (2, 3),
}
"""Methods whose first argument is a variable, each with how many arguments it takes."""

LEVELS = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%"), 5),
}
"""How strongly each operator binds."""


class ExpressionError(WatcherError):
    """An expression is wrong, whatever the event."""

    def __init__(
        self,
        message: str,
        offset: int = 0,
        suggestion: str | None = None,
        others: tuple[ExpressionError, ...] = (),
    ) -> None:
        self.message = message
        """What was found, and what is allowed."""
        self.offset = offset
        """Where, in characters from the expression's start."""
        self.suggestion = suggestion
        """What was probably meant; None where nothing comes close."""
        self.others = others
        """The further mistakes of the same expression, in reading order."""
        super().__init__(message)


# Nodes


@dataclass(frozen=True, slots=True)
class Node:
    """Part of an expression: the characters from `start` until before `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """`"text"`, `b"bytes"`, `1.5`, `true`, `null`."""

    kind: Literal["string", "bytes", "number", "bool", "null"]
    text: str
    """As written."""
    value: str | None = None
    """The content of a string without escapes, None for everything else."""


@dataclass(frozen=True, slots=True)
class Name(Node):
    """`name`, at the beginning of a chain or alone."""

    text: str


@dataclass(frozen=True, slots=True)
class Reference(Node):
    """`conditions.name`."""

    name: str
    at: int
    """Where the name itself begins."""


@dataclass(frozen=True, slots=True)
class Group(Node):
    """`(inner)`."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Signed(Node):
    """`!operand`, `-operand`, with any number of signs."""

    signs: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """Operands joined from left to right by operators of one precedence, one fewer than they."""

    operands: tuple[Node, ...]
    operators: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Choice(Node):
    """`test ? yes : no`."""

    test: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`[element, …]`."""

    elements: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf(Node):
    """`{key: value, …}`."""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`name(arguments)`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """A value and what is done to it in turn: `base.field[key].method()`."""

    base: Node
    steps: tuple[Field | Index | Method | Macro, ...]


@dataclass(frozen=True, slots=True)
class Field(Node):
    """`.name`; begins at the name."""

    name: str


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`[key]`."""

    key: Node


@dataclass(frozen=True, slots=True)
class Method(Node):
    """`.name(arguments)`; begins at the name."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Macro(Node):
    """`.name(variable, bodies)`; begins at the name. Without a variable it has no bodies."""

    name: str
    variable: Token | None
    bodies: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed expression."""

    source: str
    root: Node
    references: tuple[Reference, ...]
    """All references in it, in reading order."""
    mistakes: tuple[ExpressionError, ...]
    """What it uses that CEL has and conditions do not."""

    def text(self, node: Node) -> str:
        """Return a node as it was written."""
        return self.source[node.start : node.end]


def bare(node: Node) -> Node:
    """Return a node without the parentheses around it."""
    while isinstance(node, Group):
        node = node.inner
    return node


def walk(node: Node, bound: frozenset[str] = frozenset()) -> Iterator[tuple[Node, frozenset[str]]]:
    """Yield a node and all below it in reading order, each with the variables of macros that are
    in scope there.
    """
    yield node, bound
    if isinstance(node, Macro) and node.variable is not None:
        bound |= {node.variable.text}
    for child in children(node):
        yield from walk(child, bound)


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below a node, in reading order."""
    names: tuple[str, ...] = node.__match_args__
    for name in names[2:]:  # without `start` and `end`
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes(value)


def _nodes(values: tuple[Any, ...]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes(value)


def write(node: Node, named: Mapping[str, Tree]) -> str:
    """Write a node as an expression in which each reference is replaced by the tree it stands for.

    The result has no comments, and no more space than it needs.
    """

    def again(one: Node) -> str:
        return write(one, named)

    def listed(*nodes: Node) -> str:
        return ",".join(map(again, nodes))

    match node:
        case Constant(text=text) | Name(text=text):
            return text
        case Reference(name=name):
            return f"({again(named[name].root)})"
        case Group(inner=inner):
            return f"({again(inner)})"
        case Signed(signs=signs, operand=operand):
            return signs + again(operand)
        case Operation(operands=(first, *rest), operators=operators):
            joints = (" in " if one.text == "in" else one.text for one in operators)
            return again(first) + "".join(map("{}{}".format, joints, map(again, rest)))
        case Choice(test=test, yes=yes, no=no):
            return f"{again(test)} ? {again(yes)} : {again(no)}"
        case ListOf(elements=elements):
            return f"[{listed(*elements)}]"
        case MapOf(entries=entries):
            return "{" + ",".join(f"{again(key)}:{again(value)}" for key, value in entries) + "}"
        case Call(name=name, arguments=arguments):
            return f"{name}({listed(*arguments)})"
        case Chain(base=base, steps=steps):
            return again(base) + "".join(map(again, steps))
        case Field(name=name):
            return f".{name}"
        case Index(key=key):
            return f"[{again(key)}]"
        case Method(name=name, arguments=arguments):
            return f".{name}({listed(*arguments)})"
        case Macro(name=name, variable=Token(text=variable), bodies=bodies):
            return f".{name}({variable},{listed(*bodies)})"
    raise AssertionError(f"{type(node).__name__} cannot be written")


# Tokens

_TOKEN = re.compile(
    r"""
      (?P<space>  \s+ | //[^\n]* )
    | (?P<raw>    (?:[bB]?[rR]|[rR][bB])
                  (?: \"{3}[\s\S]*?\"{3} | '{3}[\s\S]*?'{3} | "[^"\n]*" | '[^'\n]*' ) )
    | (?P<string> [bB]?
                  (?: \"{3}(?:\\[\s\S]|[^\\])*?\"{3} | '{3}(?:\\[\s\S]|[^\\])*?'{3}
                    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ) )
    | (?P<number> 0x[0-9a-fA-F]+[uU]? | \d*\.\d+(?:[eE][-+]?\d+)? | \d+[eE][-+]?\d+ | \d+[uU]? )
    | (?P<name>   [A-Za-z_][A-Za-z0-9_]* )
    | (?P<symbol> && | \|\| | [=!<>]= | [-+*/%<>!?:.,()\[\]{}] )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a symbol of an expression; the last token is `end`."""

    kind: Literal["string", "bytes", "number", "name", "symbol", "end"]
    text: str
    """As written."""
    offset: int
    """Where, in characters from the expression's start."""
    value: str | None = None
    """The content of a string without escapes, None for everything else."""

    @property
    def end(self) -> int:
        """Where the next one may begin."""
        return self.offset + len(self.text)


def _tokenize(source: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise ExpressionError("this cannot be read", at)
        text = match.group()
        match match.lastgroup:
            case "raw" | "string":
                tokens.append(_text_token(text, at))
            case "number" | "name" | "symbol" as kind:
                tokens.append(Token(kind, text, at))
        at = match.end()
    tokens.append(Token("end", "", len(source)))
    return tokens


def _text_token(text: str, at: int) -> Token:
    unprefixed = text.lstrip("rRbB")
    prefix = text[: len(text) - len(unprefixed)].lower()
    if "b" in prefix:
        return Token("bytes", text, at)
    quote = 3 if unprefixed[:3] in ('"""', "'''") and len(unprefixed) >= 6 else 1
    inner = unprefixed[quote:-quote]
    # Escapes are left to the library: a text with one has a value, but not one known here.
    plain = "r" in prefix or "\\" not in inner
    return Token("string", text, at, inner if plain else None)


# The parser


def parse(source: str) -> Tree:
    """Return the tree of an expression that the library has accepted.

    Raise ExpressionError where it is nested too deep, or where this grammar differs from the
    library's.
    """
    parser = _Parser(source)
    root = parser.expression()
    if parser.token.kind != "end":
        raise ExpressionError(f"unexpected {parser.token.text!r}", parser.token.offset)
    return Tree(source, root, tuple(parser.references), tuple(parser.mistakes))


class _Parser:
    """One recursive descent over the tokens, moving forward only."""

    def __init__(self, source: str) -> None:
        self.tokens = _tokenize(source)
        self.position = 0
        self.depth = 0
        self.references: list[Reference] = []
        self.mistakes: list[ExpressionError] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    @property
    def end(self) -> int:
        """Where the last token that was taken ends."""
        return self.tokens[self.position - 1].end

    def take(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.position += 1
        return token

    def accept(self, symbol: str) -> bool:
        if self.token.kind == "symbol" and self.token.text == symbol:
            self.position += 1
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.accept(symbol):
            raise ExpressionError(f"{symbol!r} is missing here", self.token.offset)

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            message = f"the expression is nested more than {DEEPEST} deep"
            raise ExpressionError(message, self.token.offset)
        node = self.binary(1)
        if self.accept("?"):
            yes = self.expression()
            self.expect(":")
            no = self.expression()
            node = Choice(node.start, self.end, node, yes, no)
        self.depth -= 1
        return node

    def binary(self, level: int) -> Node:
        left = self.unary()
        while (found := LEVELS.get(self.token.text, 0)) >= level:
            operands, operators = [left], []
            while LEVELS.get(self.token.text) == found:
                operators.append(self.take())
                operands.append(self.binary(found + 1))
            left = Operation(left.start, self.end, tuple(operands), tuple(operators))
        return left

    def unary(self) -> Node:
        start, signs = self.token.offset, ""
        while self.token.kind == "symbol" and self.token.text in ("!", "-"):
            signs += self.take().text
        operand = self.chain()
        return Signed(start, self.end, signs, operand) if signs else operand

    def chain(self) -> Node:
        base = self.primary()
        steps: list[Field | Index | Method | Macro] = []
        while self.token.text in (".", "["):
            start = self.token.offset
            if self.accept("["):
                key = self.expression()
                self.expect("]")
                steps.append(Index(start, self.end, key))
                continue
            self.expect(".")
            name = self.take()
            if name.kind != "name":
                raise ExpressionError(f"unexpected {name.text or 'end'!r}", name.offset)
            if self.accept("("):
                steps.append(self.called(name))
            elif not steps and isinstance(base, Name) and base.text == CONDITIONS:
                base = Reference(base.start, self.end, name.text, name.offset)
                self.references.append(base)
            else:
                steps.append(Field(name.offset, self.end, name.text))
        return Chain(base.start, self.end, base, tuple(steps)) if steps else base

    def called(self, name: Token) -> Method | Macro:
        if name.text not in MACROS:
            arguments = self.items(")")
            return Method(name.offset, self.end, name.text, arguments)
        variable: Token | None = None
        bodies: tuple[Node, ...] = ()
        if self.token.kind == "name":
            variable = self.take()
            bodies = self.items(")") if self.accept(",") else ()
        if not bodies:
            self.expect(")")
        return Macro(name.offset, self.end, name.text, variable, bodies)

    def items(self, close: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self.accept(close):
            found.append(self.expression())
            if not self.accept(","):
                self.expect(close)
                break
        return tuple(found)

    def primary(self) -> Node:
        token = self.take()
        start = token.offset
        if token.kind in ("string", "bytes", "number"):
            return Constant(start, token.end, token.kind, token.text, token.value)
        if token.kind == "name":
            return self.named(token)
        if token.text == "(":
            inner = self.expression()
            self.expect(")")
            return Group(start, self.end, inner)
        if token.text == "[":
            elements = self.items("]")
            return ListOf(start, self.end, elements)
        if token.text == "{":
            entries = self.entries()
            return MapOf(start, self.end, entries)
        if token.text == "." and self.token.kind == "name":
            self.mistakes.append(ExpressionError("a name cannot begin with '.'", start))
            return self.named(self.take())
        raise ExpressionError(f"unexpected {token.text or 'end'!r}", start)

    def named(self, token: Token) -> Node:
        start, text = token.offset, token.text
        if text in ("true", "false"):
            return Constant(start, token.end, "bool", text)
        if text == "null":
            return Constant(start, token.end, "null", text)
        if self.accept("("):
            arguments = self.items(")")
            return Call(start, self.end, text, arguments)
        if self.accept("{"):
            self.entries()
            message = f"messages such as {text}{{…}} are not supported"
            self.mistakes.append(ExpressionError(message, start))
            return MapOf(start, self.end, ())
        return Name(start, token.end, text)

    def entries(self) -> tuple[tuple[Node, Node], ...]:
        found: list[tuple[Node, Node]] = []
        while not self.accept("}"):
            key = self.expression()
            self.expect(":")
            found.append((key, self.expression()))
            if not self.accept(","):
                self.expect("}")
                break
        return tuple(found)
