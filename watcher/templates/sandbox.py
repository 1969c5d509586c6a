"""The sandbox in which templates run, and what null means in it.

Rules: one environment, never changed after it is made. A member of null is null, and null prints as
nothing; a name that does not exist at all is an error. The value of an expression is marked as
inserted where it is printed; only text outside of tags is the author's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jinja2 import ChainableUndefined, StrictUndefined, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watcher.markup import capture, mark
from watcher.templates.format import format_time, format_value

__all__ = ["ENVIRONMENT", "GLOBALS", "MAPPING_METHODS", "NULL", "ZONE", "SpokenNull"]

MAPPING_METHODS = ("get", "items", "keys", "values")
GLOBALS = ("cycler", "dict", "joiner", "namespace", "range")
"""Jinja2's globals that are kept: all but its generator of random text."""

LONGEST_PRODUCT = 100_000
"""Characters or elements that `*` may make of a text or list."""


class Null(ChainableUndefined):
    """null: its members and results are null, it prints as nothing, is false, and equals `none`."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Null:  # type: ignore[override]  # Jinja2's raises
        return self

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Undefined)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = Undefined.__hash__


NULL = Null()


class SpokenNull(Null):
    """The text of a message without words: null in every way, but prints what the message is."""

    __slots__ = ("_words",)

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def __str__(self) -> str:
        return self._words


def soften(value: Any) -> Any:
    """Return the null of templates for None, any other value as it is."""
    return NULL if value is None else value


class _Generator(CodeGenerator):
    """Jinja2's generator, where the output of `call` and `filter` blocks passes `finalize` too."""

    _finishing = False

    def start_write(self, frame: Frame, node: nodes.Node | None = None) -> None:
        super().start_write(frame, node)
        if isinstance(node, nodes.FilterBlock | nodes.CallBlock | nodes.For):
            self.write("environment.finalize(")  # Jinja2 itself does so for `{{ … }}` only
            self._finishing = True

    def end_write(self, frame: Frame) -> None:
        if self._finishing:
            self.write(")")
            self._finishing = False
        super().end_write(frame)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with null and with limits on the size of results."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"*", "**"})
    concat = staticmethod(capture)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if obj is None or isinstance(obj, Null):
            return NULL
        if isinstance(obj, Mapping) and (attribute in obj or attribute not in MAPPING_METHODS):
            return soften(obj.get(attribute))
        return soften(super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        if obj is None or isinstance(obj, Null):
            return NULL
        if isinstance(obj, Mapping):
            return soften(obj.get(argument))
        if isinstance(obj, str | list | tuple) and isinstance(argument, int):
            return soften(obj[argument]) if -len(obj) <= argument < len(obj) else NULL
        return soften(super().getitem(obj, argument))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as in Jinja2: arguments of the called may be named `self`
        if isinstance(__obj, Null):
            return NULL
        return soften(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply or raise to a power. Raise SecurityError for a result of unreasonable size."""
        if operator == "**" and not (abs(left) < 1_000_000 and abs(right) < 100):
            raise SecurityError("a power is too large")
        if operator == "*" and (_product(left, right) or _product(right, left)) > LONGEST_PRODUCT:
            raise SecurityError("a repeated text is too long")
        return super().call_binop(context, operator, left, right)


def _product(text: Any, times: Any) -> int:
    """Return how long a repeated text or list becomes, 0 for other products."""
    repeats = isinstance(text, str | list | tuple) and isinstance(times, int)
    return len(text) * times if repeats else 0


ZONE = "_zone"
"""The name under which a template's filters find the time zone; no template may use it."""


@pass_context
def _local(context: Context, value: Any, form: str = "%Y-%m-%d %H:%M %Z") -> Any:
    """Format a time of an event as people of the configured zone read it."""
    if value is None or isinstance(value, Null):
        return NULL
    return format_time(datetime.fromisoformat(str(value)), context[ZONE], form)


def _finish(value: Any) -> str:
    """Return what `{{ value }}` prints: nothing for null, names rather than objects."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return mark("true" if value else "false")
    return mark(format_value(value) if isinstance(value, Mapping | list | tuple) else value)


def _make() -> Sandbox:
    environment = Sandbox(undefined=StrictUndefined, finalize=_finish, autoescape=False)
    for name in set(environment.globals) - set(GLOBALS):
        del environment.globals[name]
    del environment.filters["random"]
    environment.filters["local"] = _local
    environment.tests["none"] = lambda value: value is None or isinstance(value, Null)
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": True,
        "ensure_ascii": False,
        "default": lambda value: None if isinstance(value, Null) else str(value),
    }
    return environment


ENVIRONMENT = _make()
