"""The form of rules, and of what they name: messages, hours, digests, silences.

Law: form only, as in `watcher.config.schema`. A short form (`throttle: 10m`) is the long one with
one key.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from watcher.settings.base import FilledSettings, wrong
from watcher.settings.calendar import EVERY_DAY, Days, Spans, Times, Zone
from watcher.settings.values import Duration, OneOrMore, Title

__all__ = [
    "DigestForm",
    "HoursForm",
    "MessageForm",
    "RuleForm",
    "SilenceForm",
    "ThrottleForm",
    "WindowForm",
    "Zone",
]

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def _short(key: str, forms: Any) -> BeforeValidator:
    """Take a text for a mapping with one key; `forms` is what editors allow."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value,
        json_schema_input_type=forms,
    )


def _divides(value: timedelta) -> timedelta:
    if value % timedelta(minutes=1) or _DAY % value:
        raise wrong(
            "does not divide a day into equal parts of whole minutes",
            "write 5m, 10m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h or 1d;"
            " for longer times `at` and `days`",
        )
    return value


class WindowForm(FilledSettings):
    """One window of the week."""

    days: Days = Field(
        default=EVERY_DAY,
        json_schema_extra={"default": "mon-sun"},
        description="Days on which it begins.",
    )
    between: Spans = Field(description="From when to when, such as 09:00-18:00; several in a list.")


class HoursForm(FilledSettings):
    """Hours of the week: either `days` and `between`, or several `windows`."""

    days: Days | None = Field(default=None, description="Days of the week, such as mon-fri.")
    between: Spans | None = Field(default=None, description="From when to when: 09:00-18:00.")
    windows: tuple[WindowForm, ...] = Field(
        default=(), description="Several windows, each with `days` and `between`."
    )
    timezone: Zone | None = Field(default=None, description="Time zone, such as Europe/Berlin.")


class RuleHoursForm(HoursForm):
    """When a rule may tell."""

    otherwise: str = Field(
        default="hold",
        min_length=1,
        description="What becomes of a message outside the hours: `hold`, `drop`, or a receiver.",
    )


class ThrottleForm(FilledSettings):
    """At most one message in a while."""

    within: Duration = Field(ge=_SECOND, description="One message in this time.")
    by: str = Field(
        default="",
        min_length=1,
        description="What counts as the same, in CEL; the conversation where left out.",
    )


class DigestForm(FilledSettings):
    """Collects into one message."""

    every: Annotated[Duration, AfterValidator(_divides)] | None = Field(
        default=None,
        ge=timedelta(minutes=1),
        description="So often, on the clock: 15m is :00, :15, :30 and :45.",
    )
    at: Times | None = Field(default=None, description="At these times of day.")
    days: Days = Field(
        default=EVERY_DAY,
        json_schema_extra={"default": "mon-sun"},
        description="Only on these days.",
    )
    by: str = Field(
        default="", min_length=1, description="A message for each value of this, in CEL."
    )
    timezone: Zone | None = Field(default=None, description="Time zone, such as Europe/Berlin.")


class WordsForm(FilledSettings):
    """Words for text receivers."""

    template: str = Field(default="", min_length=1, description="Name of a template to begin with.")
    title: str = Field(default="", description="One line; the default title where left out.")
    body: str = Field(default="", description="The text; the default body where left out.")
    format: Literal["text", "markdown", "html"] | None = Field(
        default=None, description="What they are written in; the receiver's own where left out."
    )


class MessageForm(WordsForm):
    """What a text receiver shows; Jinja2 templates, sandboxed."""

    per_receiver: dict[str, Annotated[WordsForm, _short("template", str | WordsForm)]] = Field(
        default_factory=dict, description="Other words for single receivers, by name."
    )


class TemplateForm(FilledSettings):
    """A template by name; Jinja2, sandboxed."""

    title: str = Field(default="", description="One line; the default title where left out.")
    body: str = Field(default="", description="The text; the default body where left out.")
    format: Literal["text", "markdown", "html"] | None = Field(
        default=None, description="What they are written in; the receiver's own where left out."
    )


class RuleForm(FilledSettings):
    """Which events go to which receivers."""

    name: Title = Field(description="What people call it; a rule is its name.")
    when: OneOrMore = Field(
        min_length=1, description="Event types or globs such as `conversation.*`."
    )
    where: str = Field(default="", description="A CEL condition over the event.")
    unless: str = Field(default="", description="A CEL condition; where it holds, nothing is sent.")
    hold_for: Duration | None = Field(
        default=None,
        alias="for",
        description="Only if the condition still holds after this time.",
    )
    repeat: Duration | None = Field(
        default=None, ge=_SECOND, description="Again so often, until the condition no longer holds."
    )
    at_most: int | None = Field(
        default=None, ge=1, description="So many repeats at most, after the first message."
    )
    throttle: Annotated[ThrottleForm | None, _short("within", Duration | ThrottleForm)] = Field(
        default=None, description="At most one message in this time for each conversation."
    )
    digest: Annotated[DigestForm | None, _short("every", Duration | DigestForm)] = Field(
        default=None, description="Collects into one message, at certain times."
    )
    hours: RuleHoursForm | None = Field(default=None, description="When this rule may tell.")
    severity: str = Field(
        default="", max_length=50, description="A word such as info, warning or critical."
    )
    stop: bool = Field(
        default=False, description="After a match of this rule, later rules are not asked."
    )
    notify: OneOrMore = Field(min_length=1, description="Names of receivers.")
    message: Annotated[MessageForm, _short("template", str | MessageForm)] = Field(
        default_factory=MessageForm,
        description="Title and body for text receivers, or the name of a template.",
    )


class SilenceForm(FilledSettings):
    """What is not told for a while, and why."""

    name: Title = Field(description="What people call it.")
    match: str = Field(
        min_length=1,
        description="A CEL condition over the event, `rule`, `receiver` and `severity`.",
    )
    reason: str = Field(min_length=1, description="Why; shown on what it suppressed.")
    starts: str = Field(
        default="", alias="from", min_length=1, description="A date, or a date and a time."
    )
    until: str = Field(
        default="",
        min_length=1,
        description="A date (its end is meant), or a date and a time.",
    )
    hours: HoursForm | None = Field(default=None, description="Only within these hours.")
    timezone: Zone | None = Field(default=None, description="Time zone of `from` and `until`.")
