"""The key `message`: the words for text receivers, and what they are written in.

Rules: pure. A rule keeps the sources of templates; `watcher.templates` renders them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticKnownError

from watcher.markup import Format
from watcher.settings.base import Context, FilledSettings, Mistake, context_of, mistakes
from watcher.suggest import did_you_mean, listing, short

if TYPE_CHECKING:
    from watcher.rules.rule import Rule

__all__ = ["Message", "RuleMessage", "Template", "Words"]


class Words(NamedTuple):
    """The words for one receiver."""

    title: str | None = None
    """The template of the title, None for the default one."""

    body: str | None = None
    """The template of the body, None for the default one."""

    format: Format | None = None
    """What both are written in, None for the receiver's own."""

    def or_else(self, other: Words) -> Words:
        """Return these words, completed by others.

        A format belongs to the words that it came with: it counts where any of them are used.
        """
        title = self.title if self.title is not None else other.title
        body = self.body if self.body is not None else other.body
        borrowed = (title, body) != (self.title, self.body)
        return Words(title, body, self.format or (other.format if borrowed else None))


class Template(FilledSettings):
    """A template by name; Jinja2, sandboxed."""

    title: str | None = Field(
        default=None, description="One line; the default title where left out."
    )
    body: str | None = Field(default=None, description="The text; the default body where left out.")
    format: Format | None = Field(
        default=None, description="What they are written in; the receiver's own where left out."
    )

    @property
    def words(self) -> Words:
        """The words that the template has."""
        return Words(self.title, self.body, self.format)


def _checked(source: str, info: ValidationInfo) -> str:
    if found := context_of(info).check_template(source):
        raise mistakes(found)
    return source


def _named(value: Any, info: ValidationInfo) -> Template | None:
    if value is None or isinstance(value, Template):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    template: Template | None = context_of(info).template(value)
    return template


_Source = Annotated[str, AfterValidator(_checked)]
_Named = Annotated[
    Template | None,
    PlainValidator(_named),
    WithJsonSchema({"type": "string", "minLength": 1}),
]


class OwnWords(FilledSettings):
    """Words for text receivers."""

    template: _Named = Field(default=None, description="Name of a template to begin with.")
    title: _Source | None = Field(
        default=None, description="One line; the default title where left out."
    )
    body: _Source | None = Field(
        default=None, description="The text; the default body where left out."
    )
    format: Format | None = Field(
        default=None, description="What they are written in; the receiver's own where left out."
    )

    @property
    def words(self) -> Words:
        """The words as written, completed by those of the template."""
        base = self.template.words if self.template is not None else Words()
        whole = Words(self.title, self.body).or_else(base)
        return whole._replace(format=self.format or base.format)


_WordsOrTemplate = Annotated[
    OwnWords,
    BeforeValidator(
        lambda value: {"template": value} if isinstance(value, str) else value,
        json_schema_input_type=str | OwnWords,
    ),
]


class Message(OwnWords):
    """What a text receiver shows; Jinja2 templates, sandboxed."""

    per_receiver: Mapping[str, _WordsOrTemplate] = Field(
        default_factory=dict, description="Other words for single receivers, by name."
    )

    def words_for(self, receiver: str) -> Words:
        """Return the words for a receiver: its own, completed by those for all."""
        own = self.per_receiver.get(receiver)
        return own.words.or_else(self.words) if own is not None else self.words

    def conflicts(self, rule: Rule) -> Iterator[Mistake]:
        """Yield words for receivers that the rule does not notify."""
        receivers = rule.receivers
        for name in self.per_receiver:
            if name not in receivers:
                yield Mistake(
                    f"does not notify `{short(name)}`, for which `message.per_receiver` has words",
                    f"{did_you_mean(name, receivers)}it notifies: {listing(receivers)}",
                    ("message", "per_receiver", name),
                    whole=True,
                )


class _OfDigest(Context):
    """Checks templates as those of a digest, which know `events` in place of one event."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def check_template(self, source: str, *, many: bool = True) -> Sequence[Mistake]:
        return self._context.check_template(source, many=many)

    def template(self, name: str, *, many: bool = True) -> Any:
        return self._context.template(name, many=many)


def _of_rule(value: Any, info: ValidationInfo) -> Any:
    written = {"template": value} if isinstance(value, str) else value
    # A digest that is wrong is missing from what was validated, and is a digest all the same.
    digest = "digest" not in info.data or info.data["digest"] is not None
    context = _OfDigest(context_of(info)) if digest else info.context
    return Message.model_validate(written, context=context)


RuleMessage = Annotated[Message, BeforeValidator(_of_rule, json_schema_input_type=str | Message)]
"""The message of a rule, or the name of a template; it stands behind `digest`."""
