"""The sandbox in which templates run, and what null means in it.

Rules: one environment, never changed after it is made. A member of null is null, and null prints as
nothing; a name that does not exist at all is an error. The value of an expression is marked as
inserted where it is printed; only text outside of tags is the author's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from jinja2 import ChainableUndefined, StrictUndefined, Undefined, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.sandbox import (
    ImmutableSandboxedEnvironment,
    SandboxedEscapeFormatter,
    SandboxedFormatter,
)
from jinja2.utils import Cycler, Joiner, Namespace
from markupsafe import Markup

from watcher.markup import Text, capture, mark
from watcher.templates.costs import (
    FILTERS,
    TEXT_METHODS,
    check_number,
    check_widths,
    costed,
    of_call,
    of_operator,
)
from watcher.templates.generator import Generator
from watcher.templates.meter import charge, deep, length, shallow
from watcher.wording import format_time, format_value

__all__ = [
    "ENVIRONMENT",
    "GLOBALS",
    "LIST_METHODS",
    "MAPPING_METHODS",
    "NULL",
    "ZONE",
    "SpokenNull",
]

MAPPING_METHODS = ("get", "items", "keys", "values")
LIST_METHODS = ("count", "index")
GLOBALS = ("cycler", "dict", "joiner", "namespace", "range")
"""Jinja2's globals that are kept: all but its generator of random text."""


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


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with null and with a budget for all that runs in it."""

    code_generator_class = Generator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    charge = staticmethod(charge)

    @staticmethod
    def weighed(value: Any) -> Any:
        """Return an operand, charged with all that it holds."""
        charge(deep(value))
        return value

    @staticmethod
    def searched(value: Any) -> Any:
        """Return what is searched, charged: a text as a search in it may take."""
        charge(len(value) // 50 if isinstance(value, str) else deep(value))
        return value

    @staticmethod
    def concat(pieces: Iterable[str]) -> Text:
        """Return what a part of a template has written."""
        whole = "".join(pieces)
        charge(length(len(whole)))
        return capture((whole,))

    @staticmethod
    def joined(values: Iterable[Any]) -> str:
        """Return the values of `~` as one text."""
        texts = []
        for value in values:
            charge(deep(value))
            texts.append(str(value))
        whole = "".join(texts)
        charge(length(len(whole)))
        return whole

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Return whether a template may read an attribute: of values, only what has a cost."""
        if isinstance(obj, str):
            return attr in TEXT_METHODS
        if isinstance(obj, Mapping):
            return attr in MAPPING_METHODS
        if isinstance(obj, list | tuple):
            named = isinstance(obj, tuple) and attr in getattr(obj, "_fields", ())
            return attr in LIST_METHODS or named
        if isinstance(obj, _OF_JINJA):
            return super().is_safe_attribute(obj, attr, value)
        return False

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `format` of a text as a function that charges each of its places."""
        whose = getattr(value, "__self__", None)
        name = getattr(value, "__name__", "")
        if not isinstance(whose, str) or name not in ("format", "format_map"):
            return None
        formatter = (
            _EscapingFormatter(self, escape=whose.escape)
            if isinstance(whose, Markup)
            else _Formatter(self)
        )

        def call(*args: Any, **named: Any) -> str:
            if name == "format_map":
                (named,), args = args, ()
            return type(whose)(formatter.vformat(whose, args, named))

        return call

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
        of_call(__obj, args, kwargs)
        result = soften(super().call(__context, __obj, *args, **kwargs))
        charge(shallow(result))
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Evaluate an operator. Raise SecurityError for a result of unreasonable size."""
        of_operator(operator, left, right)
        result = check_number(super().call_binop(context, operator, left, right))
        charge(shallow(result))
        return result


_OF_JINJA = (
    BlockReference,
    Cycler,
    Joiner,
    LoopContext,
    Macro,
    Namespace,
    TemplateReference,
    Undefined,
)
"""What Jinja2 itself gives to templates."""


class _Places:
    """Charges each place of a text that `format` fills in."""

    def format_field(self, value: Any, spec: str) -> Any:
        for digits in re.findall(r"\d+", spec):
            check_widths(None, digits)
        charge(5 + deep(value))
        text = super().format_field(value, spec)  # type: ignore[misc]  # that of the formatter beside it
        charge(length(len(text)))
        return text


class _Formatter(_Places, SandboxedFormatter):
    """`format` of a text."""


class _EscapingFormatter(_Places, SandboxedEscapeFormatter):
    """`format` of a text that counts as markup."""


ZONE = "_zone"
"""The name under which a template's filters find the time zone; no template may use it."""


LONGEST_FORM = 200
"""Characters of the form of a time, which may make many times as many."""


@pass_context
def _local(context: Context, value: Any, form: str = "%Y-%m-%d %H:%M %Z") -> Any:
    """Format a time of an event as people of the configured zone read it."""
    if value is None or isinstance(value, Null):
        return NULL
    if len(form) > LONGEST_FORM:
        raise SecurityError(f"the form of a time is longer than {LONGEST_FORM} characters")
    return format_time(datetime.fromisoformat(str(value)), context[ZONE], form)


_INSERTED = 6
"""Steps of inserting a value: each is a part of the text, with its origin."""


def _finish(value: Any) -> str:
    """Return what `{{ value }}` prints: nothing for null, names rather than objects."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return mark("true" if value else "false")
    charge(_INSERTED + deep(value))
    return mark(format_value(value) if isinstance(value, Mapping | list | tuple) else value)


def _make() -> Sandbox:
    environment = Sandbox(undefined=StrictUndefined, finalize=_finish, autoescape=False)
    for name in set(environment.globals) - set(GLOBALS):
        del environment.globals[name]
    filters = dict[str, Any](environment.filters, local=_local)
    environment.filters = {one: costed(filters[one], cost) for one, cost in FILTERS.items()}
    environment.tests["none"] = lambda value: value is None or isinstance(value, Null)
    tests = dict[str, Any](environment.tests)
    environment.tests = {name: costed(test) for name, test in tests.items()}
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": True,
        "ensure_ascii": False,
        "default": lambda value: None if isinstance(value, Null) else str(value),
    }
    return environment


ENVIRONMENT = _make()
