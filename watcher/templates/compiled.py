"""Templates of Jinja2: compiled once, checked, and filled for an event.

Rules: pure. What is wrong with a template for every event is found when it is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from jinja2.meta import find_undeclared_variables

from watcher.markup import Text, capture, unmarked
from watcher.model import Event
from watcher.templates.check import Diagnostic, Reader
from watcher.templates.meter import BudgetExceeded, metered
from watcher.templates.rendering import RenderingFailed, TemplateError
from watcher.templates.sandbox import ENVIRONMENT, NULL, ZONE, SpokenNull
from watcher.vocabulary import (
    DIGEST_SHAPE,
    LARGEST,
    SAMPLES,
    TEMPLATE_SHAPE,
    Shape,
    digest_shape,
    variables,
)
from watcher.wording import line, part, words_of

__all__ = ["Template", "compile_template", "over_budget", "template_mistakes_with"]

LONGEST_SOURCE = 32_768
LONGEST_BODY = 131_072
"""Characters of a message; a service's own limit is asked for when it is sent."""

MOST_GENERATED = 4_000_000
"""Characters that a template may make of values, before they are shortened."""


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. Two are equal if their sources are."""

    source: str
    names: frozenset[str] = field(repr=False, compare=False)
    """The names of the event that it uses."""
    _compiled: jinja2.Template = field(repr=False, compare=False)

    def fill(self, event: Event, zone: tzinfo = UTC) -> Text:
        """Return the text for an event. Raise RenderingFailed, also for a text without end."""
        return self._fill(_soft(event, zone), zone)

    def fill_all(self, events: Sequence[Event], zone: tzinfo = UTC) -> Text:
        """Return the text for a digest of events, likewise."""
        return self._fill({"events": [_soft(event, zone) for event in events]}, zone)

    def _fill(self, names: Mapping[str, Any], zone: tzinfo) -> Text:
        try:
            with metered():
                return _bounded(self._generate({**names, ZONE: zone}))
        except RecursionError:
            raise RenderingFailed("the template calls itself endlessly") from None
        except Exception as failure:  # a template can raise whatever Python can
            raise RenderingFailed(_explain(failure)) from failure

    def _generate(self, names: Mapping[str, Any]) -> Text:
        parts: list[str] = []
        size = 0
        for piece in self._compiled.generate(names):
            parts.append(piece)
            size += len(piece)
            if size > MOST_GENERATED:
                raise OverflowError("the text is too long")
        return capture(parts).trimmed()


def _bounded(text: Text) -> Text:
    """Return a text with values as short as they must be. Raise OverflowError if that is no help."""
    most = LONGEST_BODY
    while len(text) > LONGEST_BODY:
        most //= 2
        if not most:
            raise OverflowError("the text is too long")
        text = text.capped(most)
    return text.sound()


def _soft(event: Event, zone: tzinfo) -> dict[str, Any]:
    """Return what a template sees of an event. A message without words is null, and prints what it is."""
    known = variables(event, zone)
    names = {name: NULL if value is None else value for name, value in known.items()}
    conversation = names["conversation"]
    message = part(conversation, "last_message") if isinstance(conversation, Mapping) else {}
    if message and not str(message.get("text") or "").strip():
        words = SpokenNull(words_of(message, event.data))
        names["conversation"] = {**conversation, "last_message": {**message, "text": words}}
    return names


@lru_cache(maxsize=1024)
def compile_template(source: str, *, many: bool = False) -> Template:
    """Compile a template. Raise TemplateError with every mistake in it.

    Its syntax is checked, every name, field, filter and test in it, and whether a sample event can
    be rendered. With `many` it is a digest's, whose only name is the list `events`.
    """
    if len(source) > LONGEST_SOURCE:
        raise TemplateError(f"the template is longer than {LONGEST_SOURCE} characters")
    reader = Reader(DIGEST_SHAPE if many else TEMPLATE_SHAPE)
    try:
        tree = ENVIRONMENT.parse(source)
        reader.read(tree)
        if reader.diagnostics:
            raise _collect(source, reader.diagnostics)
        with metered():  # Jinja2 evaluates what is constant when it compiles
            compiled = ENVIRONMENT.from_string(unmarked(source))
        template = Template(source, frozenset(find_undeclared_variables(tree)), compiled)
    except TemplateSyntaxError as failure:
        message = failure.message or "the template cannot be read"
        raise TemplateError(line(message, 300), failure.lineno) from None
    except (RecursionError, SyntaxError, MemoryError, ValueError):
        # The code that Jinja2 generates from such a template is too deep for Python's own compiler.
        raise TemplateError("the template is nested too deeply") from None
    _try(template, reader.open, many=many)
    return template


@lru_cache(maxsize=1024)
def over_budget(source: str, *, many: bool = False) -> str:
    """Return how a template exceeds its budget for the largest events that can come in; empty if it
    never does, or is wrong in another way.
    """
    try:
        template = compile_template(source, many=many)
    except TemplateError:
        return ""
    for event in LARGEST:
        try:
            if many:
                template.fill_all([event])
            else:
                template.fill(event)
        except RenderingFailed as failure:
            if isinstance(failure.__cause__, BudgetExceeded | OverflowError):
                return str(failure)
    return ""


def template_mistakes_with(
    shape: Shape, source: str, *, many: bool = False
) -> tuple[TemplateError, ...]:
    """Return what is wrong with a template where more is known of an event than everywhere.

    The template is right by itself, and `shape` is that of `EVENT_SHAPE` or narrower.
    """
    names = {**(TEMPLATE_SHAPE.members or {}), **(shape.members or {})}
    reader = Reader(digest_shape(shape) if many else Shape("map", names))
    reader.read(ENVIRONMENT.parse(source))
    if not reader.diagnostics:
        return ()
    error = _collect(source, reader.diagnostics)
    return (error, *error.others)


def _collect(source: str, diagnostics: list[Diagnostic]) -> TemplateError:
    lines = re.split(r"\r\n|\r|\n", source)  # as Jinja2 counts them
    errors: list[TemplateError] = []
    for one in sorted(diagnostics, key=lambda found: found.line):
        same = [other for other in diagnostics if (other.line, other.word) == (one.line, one.word)]
        columns = _columns(lines[one.line - 1], one.word) if one.line <= len(lines) else []
        place = next(number for number, other in enumerate(same) if other is one)
        column = columns[place] if len(columns) == len(same) else None
        errors.append(TemplateError(one.message, one.line, column, one.suggestion))
    errors[0].others = tuple(errors[1:])
    return errors[0]


def _columns(text: str, word: str) -> list[int]:
    """Return the columns of a word within the tags of a line. Jinja2 itself knows lines only."""
    if not word:
        return []
    inside = [one.span() for one in re.finditer(r"\{[{%].*?(?:[%}]\}|$)", text)]
    return [
        match.start() + 1
        for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text)
        if not inside or any(start <= match.start() < end for start, end in inside)
    ]


def _try(template: Template, reads_open: bool, *, many: bool) -> None:
    """Render the first sample event, in which every field has a value. Raise TemplateError.

    A template that uses keys of `attributes`, of which nothing is known, may fail here and be right
    for real events.
    """
    try:
        if many:
            template.fill_all(SAMPLES[:1])
        else:
            template.fill(SAMPLES[0])
    except RenderingFailed as failure:
        if reads_open and isinstance(failure.__cause__, UndefinedError | TypeError):
            return
        raise TemplateError(f"tried on a sample event: {failure}") from None


def _explain(failure: Exception) -> str:
    text = line(str(failure), 200) or type(failure).__name__
    if isinstance(failure, UndefinedError | SecurityError | OverflowError | BudgetExceeded):
        return text
    return f"{text} ({type(failure).__name__})"
