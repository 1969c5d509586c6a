"""Rendering: the message for an event, by a rule's templates or by default.

Rules: pure. A template that fails for one event never suppresses its message: the default one is sent, and
the problem is returned, to be counted and shown. Templates (`compiled`), and with them Jinja2, are imported
where a rule has one: a watcher without any does not hold them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from watcher.errors import WatcherError
from watcher.markup import Text, parts_of
from watcher.model import Event
from watcher.templates.defaults import OF_WORDS, default_message, digest
from watcher.wording import part

if TYPE_CHECKING:
    from watcher.templates.compiled import Template

__all__ = [
    "Rendered",
    "RenderingFailed",
    "TemplateError",
    "render",
    "render_digest",
    "speaks_of",
]

LONGEST_TITLE = 1_000
MOST_OF_A_NAME = 300
"""Characters of each value in a title."""


class TemplateError(WatcherError):
    """A template is wrong for every event.

    `message` says what was found and what is allowed; `line` and `column` count from 1 within the
    template, `column` is None where only the line is known. `suggestion` is what was probably
    meant (None where nothing is close). `others` are the further mistakes in the same template.
    """

    def __init__(
        self,
        message: str,
        line: int = 1,
        column: int | None = None,
        suggestion: str | None = None,
        others: tuple[TemplateError, ...] = (),
    ) -> None:
        self.message = message
        self.line = line
        self.column = column
        self.suggestion = suggestion
        self.others = others
        super().__init__(message)


class RenderingFailed(WatcherError):
    """A template fails for one event."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The message for an event.

    Title and body are `Text`, whose parts know which of them are the author's; nothing in the default
    ones counts as markup.
    """

    title: str
    body: str

    problem: str | None = None
    """Why the default message is used although the rule has one of its own."""


def render(
    rule_title: str | None,
    rule_body: str | None,
    event: Event,
    zone: tzinfo = UTC,
    *,
    told: bool = False,
) -> Rendered:
    """Return the message for an event, by a rule's template sources (None: the default).

    Never raises. A title is one line; times are those of `zone`. `told`: another message to the same
    people holds the words of the last message, so the default one need not.
    """
    title, body = default_message(event, zone, told=told)
    try:
        own_title = _fill(rule_title, event, title, zone)
        own_body = _fill(rule_body, event, body, zone)
    except (RenderingFailed, TemplateError) as failure:
        return Rendered(title, body, f"the template failed: {failure}")
    if not (own_title or own_body):
        return Rendered(title, body, "the template rendered no text")
    return Rendered(own_title.capped(MOST_OF_A_NAME).line(LONGEST_TITLE), own_body)


def speaks_of(name: str, *sources: str | None) -> bool:
    """Return whether one of these template sources uses a name; wrong ones use none."""
    for source in sources:
        try:
            if source is not None and name in _compiled(source).names:
                return True
        except TemplateError:
            continue
    return False


def render_digest(
    rule_title: str | None, rule_body: str | None, events: Sequence[Event], zone: tzinfo = UTC
) -> Rendered:
    """Return the one message for several events, by the template sources of a rule with `digest`.

    None as source is the default: a line for each event. Never raises.
    """
    told = {_words(event) for event in events if event.type in OF_WORDS}
    title, body = digest([default_message(one, zone, told=_words(one) in told) for one in events])
    try:
        own_title, own_body = (
            Text(parts_of(default))
            if source is None
            else _compiled(source, many=True).fill_all(events, zone)
            for source, default in ((rule_title, title), (rule_body, body))
        )
    except (RenderingFailed, TemplateError) as failure:
        return Rendered(title, body, f"the template failed: {failure}")
    if not (own_title or own_body):
        return Rendered(title, body, "the template rendered no text")
    return Rendered(own_title.capped(MOST_OF_A_NAME).line(LONGEST_TITLE), own_body)


def _words(event: Event) -> tuple[str, str | None, str]:
    """Return whose last message an event shows."""
    message = part(part(event.data, "conversation"), "last_message")
    return event.source, event.subject, json.dumps(message, sort_keys=True, default=str)


def _fill(source: str | None, event: Event, default: str, zone: tzinfo) -> Text:
    if source is None:
        return Text(parts_of(default))
    return _compiled(source).fill(event, zone)


def _compiled(source: str, *, many: bool = False) -> Template:
    from watcher.templates.compiled import compile_template

    return compile_template(source, many=many)
