"""Checks a template's names: what Jinja2 itself notices only when it renders, or never.

Rules: pure; nothing is rendered. Every branch is checked, also those that a rendering would skip.
Variables of loops and of `set` have the shape of what they are taken from, as far as it is known; a
value of unknown shape is allowed everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from jinja2 import nodes

from watcher.suggest import nearest
from watcher.templates.costs import TEXT_METHODS
from watcher.templates.sandbox import ENVIRONMENT, GLOBALS, LIST_METHODS, MAPPING_METHODS
from watcher.vocabulary import ANY, BOOL, EVENT_SHAPE, NUMBER, STRING, Shape

__all__ = ["Diagnostic", "Reader"]

NESTED_LOOPS = 2

_EVENT = EVENT_SHAPE.members or {}
_FIELDS = _EVENT["conversation"].members or {}
_IMPLICIT = ("loop", "caller", "varargs", "kwargs")
_TEXT_FILTERS = frozenset(
    {"capitalize", "escape", "e", "indent", "join", "local", "lower", "replace", "string", "striptags",
     "title", "tojson", "trim", "truncate", "upper", "wordwrap"}
)  # fmt: skip
_SAME_FILTERS = frozenset({"default", "d", "list", "reverse", "sort", "unique"})
_LITERALS = {"null": "none", "nil": "none", "undefined": "none"}
_METHODS = {"string": tuple(TEXT_METHODS), "map": MAPPING_METHODS, "list": LIST_METHODS}
_WORDS = {"bool": "true or false", "number": "a number", "string": "a text", "list": "a list"}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in a template."""

    message: str
    line: int
    """Counts from 1."""

    word: str = ""
    """The misspelt word, by which its column on the line is found."""

    suggestion: str | None = None


class Reader:
    """Reads one template whose root names are those of `roots`.

    Afterwards `diagnostics` has its mistakes, and `open` is true if the template reads anything whose
    shape is unknown.
    """

    def __init__(self, roots: Shape = EVENT_SHAPE) -> None:
        self._roots = roots.members or {}
        self.diagnostics: list[Diagnostic] = []
        self.open = False
        self._scope: dict[str, Shape] = {}
        self._loops = 0

    def read(self, node: nodes.Node) -> Shape:
        """Read a node with all nodes below it. Return the shape of its value."""
        match node:
            case nodes.Name(name=name, ctx="load"):
                return self._name(node, name)
            case nodes.Getattr(node=base, attr=name):
                return self._member(node, base, name)
            case nodes.Getitem(node=base, arg=nodes.Const(value=str(name))):
                return self._member(node, base, name)
            case nodes.Getitem(node=base, arg=key):
                shape = self.read(base)
                self.read(key)
                return shape if isinstance(key, nodes.Slice) else shape.element or ANY
            case nodes.Call(node=nodes.Getattr(node=base, attr=name)):
                return self._method(node, base, name)
            case nodes.Filter():
                return self._filter(node)
            case nodes.Test(name=name):
                self._known(node, "test", name, ENVIRONMENT.tests)
                self._below(node)
                return BOOL
            case nodes.Const(value=value):
                return _constant(value)
            case nodes.Or(left=left, right=right) | nodes.And(left=left, right=right):
                one, other = self.read(left), self.read(right)
                return one if one.kind == other.kind else ANY
            case nodes.Assign(target=target, node=value):
                self._bind(target, self.read(value))
            case nodes.For():
                self._for(node)
            case nodes.Macro(name=name):
                self._scope[name] = ANY
                self._inner(node, node.args)
            case nodes.CallBlock():
                self._inner(node, node.args)
            case nodes.With(targets=targets, values=values, body=body):
                shapes = [self.read(value) for value in values]
                with self._scoped():
                    for target, shape in zip(targets, shapes, strict=True):
                        self._bind(target, shape)
                    self._all(body)
            case nodes.AssignBlock(target=target):
                self._below(node)
                self._bind(target, STRING)
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                self._object_to(node, "a template cannot include or import others")
            case _:
                self._below(node)
        return ANY

    # Parts

    def _below(self, node: nodes.Node) -> None:
        self._all(node.iter_child_nodes())

    def _all(self, several: Iterable[nodes.Node]) -> None:
        for node in several:
            self.read(node)

    def _object_to(
        self, node: nodes.Node, message: str, word: str = "", suggestion: str | None = None
    ) -> None:
        self.diagnostics.append(Diagnostic(message, node.lineno, word, suggestion))

    @contextmanager
    def _scoped(self) -> Iterator[None]:
        outer = self._scope
        self._scope = dict(outer)
        yield
        self._scope = outer

    def _inner(self, node: nodes.Macro | nodes.CallBlock, arguments: list[nodes.Name]) -> None:
        with self._scoped():
            for argument in arguments:
                self._scope[argument.name] = ANY
            self._below(node)

    def _bind(self, target: nodes.Node, shape: Shape) -> None:
        if isinstance(target, nodes.Name):
            known = self._scope.get(target.name)
            self._scope[target.name] = shape if known is None or known == shape else ANY
        else:  # a tuple; or an attribute of a namespace, which has no name to bind
            for part in target.find_all(nodes.Name):
                if part.ctx == "store":
                    self._scope[part.name] = ANY

    def _for(self, node: nodes.For) -> None:
        if self._loops >= NESTED_LOOPS:
            self._object_to(node, f"loops are nested more than {NESTED_LOOPS} deep")
        walked = self.read(node.iter)
        with self._scoped():
            self._loops += 1
            self._scope["loop"] = ANY
            pair = _pair(node.iter, self._scope)
            if pair is not None and isinstance(node.target, nodes.Tuple):
                for name, shape in zip(node.target.items, (STRING, pair), strict=False):
                    self._rebind(name, shape)
            else:
                element = STRING if walked.kind == "map" else walked.element or ANY
                self._rebind(node.target, element)
            if node.test is not None:
                self.read(node.test)
            self._all(node.body)
            self._loops -= 1
        with self._scoped():
            self._all(node.else_)

    def _rebind(self, target: nodes.Node, shape: Shape) -> None:
        """Bind a variable of an inner scope, whatever it was outside."""
        if isinstance(target, nodes.Name):
            self._scope.pop(target.name, None)
        self._bind(target, shape)

    # Names

    def _name(self, node: nodes.Node, name: str) -> Shape:
        if name in self._scope:
            return self._scope[name]
        if name in self._roots:
            return self._roots[name]
        if name in GLOBALS or name in _IMPLICIT:
            return ANY
        known = [*self._scope, *self._roots]
        fields = _FIELDS if "conversation" in self._roots else ()
        guess = _LITERALS.get(name.casefold())
        if guess is None and name in fields:
            guess = f"conversation.{name}"
        guess = guess or nearest(name, known)
        if guess is None and (field := nearest(name, fields)):
            guess = f"conversation.{field}"
        message = f"unknown name {name!r}; known here: {', '.join(known)}"
        self._object_to(node, message, name, guess)
        return ANY

    def _member(self, node: nodes.Node, base: nodes.Node, name: str) -> Shape:
        return self._field(node, self.read(base), _path(base), name)

    def _field(self, node: nodes.Node, shape: Shape, path: str, name: str) -> Shape:
        if name.startswith("_"):
            self._object_to(node, f"{name!r} is not available in templates", name)
            return ANY
        # Inside `attributes`, keys are the provider's or the user's: any name may exist.
        if shape.kind == "any" or (shape.kind == "map" and shape.members is None):
            self.open = True
            return ANY
        members = shape.members or {}
        if name in members:
            return members[name]
        prefix = f"{path}." if path else ""
        if shape.kind != "map":
            guess = f"{prefix}{name}()" if name in _METHODS.get(shape.kind, ()) else None
            what = _WORDS.get(shape.kind, "null")
            self._object_to(node, f"{path or 'this'} is {what}: it has no {name!r}", name, guess)
            return ANY
        guess = nearest(name, members)
        if guess is None:
            holders = (key for key, inner in members.items() if name in (inner.members or {}))
            holder = next(holders, None)
            guess = f"{holder}.{name}" if holder else None
        message = f"{path or 'this'} has no field {name!r}; it has {', '.join(members)}"
        self._object_to(node, message, name, f"{prefix}{guess}" if guess else None)
        return ANY

    def _method(self, node: nodes.Call, base: nodes.Node, name: str) -> Shape:
        shape = self.read(base)
        self._all(node.iter_child_nodes(exclude=("node",)))
        allowed = _METHODS.get(shape.kind, ())
        if name in allowed and not name.startswith("_"):
            key = node.args[0] if node.args else None
            if name == "get" and isinstance(key, nodes.Const) and isinstance(key.value, str):
                return self._field(node, shape, _path(base), key.value)
            return STRING if shape.kind == "string" and name in _TEXT_METHODS_TO_TEXT else ANY
        if shape.kind == "any":
            return self._field(node, shape, _path(base), name)
        what = _WORDS.get(shape.kind, "an object")
        message = f"{_path(base) or 'this'} is {what}: it has no method {name}()"
        self._object_to(node, message, name, nearest(name, allowed))
        return ANY

    def _filter(self, node: nodes.Filter) -> Shape:
        self._known(node, "filter", node.name, ENVIRONMENT.filters)
        shape = self.read(node.node) if node.node is not None else STRING
        self._all(node.iter_child_nodes(exclude=("node",)))
        if node.name in _TEXT_FILTERS:
            return STRING
        if node.name in ("length", "count", "int", "float"):
            return NUMBER
        if node.name in ("first", "last"):
            return shape.element or ANY
        return shape if node.name in _SAME_FILTERS else ANY

    def _known(self, node: nodes.Node, what: str, name: str, known: Mapping[str, object]) -> None:
        if name not in known:
            guess = nearest(name, known)
            self._object_to(node, f"unknown {what} {name!r}", name, guess)


_TEXT_METHODS_TO_TEXT = frozenset(
    {"capitalize", "casefold", "lower", "lstrip", "replace", "rstrip", "strip", "swapcase",
     "title", "upper", "removeprefix", "removesuffix"}
)  # fmt: skip


def _constant(value: object) -> Shape:
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, str):
        return STRING
    return NUMBER if isinstance(value, int | float) else ANY


def _path(node: nodes.Node) -> str:
    """Return the path that a node spells (`conversation.contact`), empty for anything else."""
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=base, attr=name):
            return f"{_path(base)}.{name}" if _path(base) else ""
        case nodes.Getitem(node=base, arg=nodes.Const(value=str(name))):
            return f"{_path(base)}.{name}" if _path(base) else ""
    return ""


def _pair(node: nodes.Node, scope: dict[str, Shape]) -> Shape | None:
    """Return the shape of the values in a loop over `changes.items()`, None for any other loop."""
    match node:
        case nodes.Call(node=nodes.Getattr(node=nodes.Name(name="changes"), attr="items")):
            if "changes" not in scope:
                return Shape("map", {"before": ANY, "after": ANY})
    return None
