"""The base of all settings, and how a validator reports what is wrong with one.

Rules: pure. A message never repeats the value that was found, which may be a secret; the
configuration adds `found …` where it may be shown. Places are not known here: a mistake is
reported at its field by pydantic, at an `offset` within a text, or at another key's `loc`, and
`watcher.config.validate` finds the line and the column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, PydanticKnownError

from watcher.secrets import SecretText

__all__ = [
    "Context",
    "FilledSettings",
    "Mistake",
    "SettingText",
    "Settings",
    "clash",
    "context_of",
    "mistakes",
    "not_both",
    "wrong",
]


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error.

    In a file only a field's alias counts as its key (`for`); code also uses the field's name.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_by_alias=True,
        validate_by_name=True,
        arbitrary_types_allowed=True,
    )

    def warnings(self, context: Context) -> Iterator[Mistake]:
        """Yield what works but is probably not meant. The default passes on the warnings of the
        settings inside.
        """
        inside = [(name, one) for name, one in vars(self).items() if isinstance(one, Settings)]
        for name, value in inside:
            for one in value.warnings(context):
                alias = type(self).model_fields[name].alias
                yield replace(one, loc=(alias or name, *one.loc))

    @classmethod
    def key_clashes(cls, given: Mapping[str, Any]) -> Iterator[Mistake]:
        """Yield what is wrong with the keys that are `given` together, whatever their values.

        In contrast to a model validator this is reported in addition to wrong values.
        """
        return iter(())

    @model_validator(mode="wrap")
    @classmethod
    def _with_key_clashes(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        found = [*cls.key_clashes(value)] if isinstance(value, Mapping) else []
        if not found:
            return handler(value)
        details = [one.details for one in found]
        try:
            handler(value)
        except ValidationError as error:
            details += map(_again, error.errors(include_url=False))
        raise ValidationError.from_exception_data(cls.__name__, details)

    @field_validator("*", mode="wrap")
    @classmethod
    def _without_secrets(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """Keep a field's default where only a reference that was left out is in the way."""
        try:
            return handler(value)
        except ValidationError as error:
            # `check --no-secrets` checks everything else, so one such text must not stop it.
            if not all(_left_out(value, one["loc"]) for one in error.errors(include_url=False)):
                raise
        field = cls.model_fields[info.field_name or ""]
        return value if field.is_required() else field.get_default(call_default_factory=True)


def _again(error: ErrorDetails) -> InitErrorDetails:
    """Return an error of pydantic's in the form in which it can be raised again."""
    kind, context = error["type"], error.get("ctx", {})
    try:
        PydanticKnownError(kind, context)  # type: ignore[arg-type]  # a custom one's raises
    except KeyError:
        text = context["text"] if kind == "setting" else error["msg"]
        custom = PydanticCustomError(kind, "{text}", {**context, "text": text})
        return InitErrorDetails(type=custom, loc=error["loc"], input=None)
    return InitErrorDetails(type=kind, loc=error["loc"], input=None, ctx=context)


def _left_out(value: Any, loc: Sequence[int | str]) -> bool:
    """Return whether `loc` leads to a text that was left out."""
    for part in loc:
        if isinstance(value, Mapping):
            value = value.get(part, value)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
    return isinstance(value, SettingText) and value.left_out


class FilledSettings(Settings):
    """Settings in which a key that is written must have a value."""

    @field_validator("*", mode="before")
    @classmethod
    def _filled(cls, value: Any) -> Any:
        if value is None:
            raise wrong("must not be empty")
        return value


class SettingText(str):
    """A text of a file, with what a plain `str` cannot carry; equal to its present value."""

    __slots__ = ("folder", "known", "left_out", "secret")

    secret: SecretText
    """The text with its references, which is read again whenever it is used."""

    folder: Path
    """The folder of the file, where relative paths start."""

    left_out: bool
    """Whether a reference in it was not resolved, so that nothing may be concluded from it."""

    known: str
    """The value as the redactor needs to know it, also where it is left out; empty if it is unknown."""

    def __new__(
        cls,
        value: str,
        secret: SecretText,
        folder: Path,
        *,
        left_out: bool = False,
        known: str | None = None,
    ) -> SettingText:
        """Return a text whose present value is `value`."""
        self = super().__new__(cls, value)
        self.secret, self.folder, self.left_out = secret, folder, left_out
        self.known = known if known is not None else "" if left_out else value
        return self


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong with a setting."""

    message: str
    """Continues the setting's name ("is not a duration"); with `whole`, the name of what the
    model describes ("the rule `x`"), or has `{what}` where that name stands. One that begins with
    a colon quotes what was found, so nothing is added.
    """

    remedy: str = ""
    """One sentence without a full stop, or nothing."""

    loc: tuple[str | int, ...] = ()
    """The way to the setting from the model or field whose validator reports it."""

    offset: int | None = None
    """The character of the text at which it is wrong, None for the whole."""

    whole: bool = False
    """Whether it is about settings together: its place is then the key at `loc` (the value, if `weak`)."""

    weak: bool = False
    """Of a warning: whether it weakens protection. `status` shows those, and a setting accepts each."""

    beside: tuple[str, ...] = ()
    """Other keys of the same model that it follows from. Where one of them was left out, there is
    no mistake.
    """

    @property
    def error(self) -> PydanticCustomError:
        """The error for pydantic."""
        # Braces are the template syntax of PydanticCustomError, so the texts go in as values.
        context: dict[str, Any] = {"text": self.message, "remedy": self.remedy}
        if self.offset is not None:
            context["offset"] = self.offset
        if self.whole:
            context["whole"] = len(self.loc)
        if self.weak:
            context["weak"] = True
        if self.beside:
            context["beside"] = self.beside
        return PydanticCustomError("setting", "{text}", context)

    @property
    def details(self) -> InitErrorDetails:
        """The error for `ValidationError.from_exception_data`."""
        return InitErrorDetails(type=self.error, loc=self.loc, input=None)


def wrong(message: str, remedy: str = "", offset: int | None = None) -> PydanticCustomError:
    """Return the error of one value; the message continues the setting's name."""
    return Mistake(message, remedy, offset=offset).error


def clash(message: str, remedy: str, *loc: str | int) -> ValidationError:
    """Return the error of settings that contradict each other, for a model validator.

    The message continues the name of what the model describes ("has `repeat` and `digest`"), and
    the place is the key at `loc`.
    """
    return mistakes([Mistake(message, remedy, loc, whole=True)])


def not_both(given: Mapping[str, Any], one: str, several: str) -> Iterator[Mistake]:
    """Yield that two keys for the same thing are given, at the later one."""
    if one in given and several in given:
        later = [key for key in given if key in (one, several)][-1]
        yield Mistake(
            f"has both `{one}` and `{several}`", "keep one of the two", (later,), whole=True
        )


def mistakes(found: Iterable[Mistake]) -> ValidationError:
    """Return one error with several mistakes; a validator raises it, and pydantic puts the
    validator's own place before each `loc`.
    """
    return ValidationError.from_exception_data("settings", [one.details for one in found])


class Context:
    """What a validator may ask about the rest of the configuration.

    This one knows nothing and refuses nothing: it is what a model made by code has. The
    configuration's own (`watcher.config.references`) overrides all of it.
    """

    timezone: ZoneInfo | None = None
    """The configuration's `timezone`, None where it has none."""

    conditions: Mapping[str, Any] = {}
    """The compiled conditions of `conditions:` by name, for `watcher.conditions.compile_condition`
    and `compile_expression`.
    """

    names: Mapping[str, Collection[str]] | None = None
    """All names that are configured, by kind: `source`, `receiver`, `rule`, `template`. None where
    they are not known, for instance because a file cannot be read: then nothing is missing.
    """

    def check_template(self, source: str, *, many: bool = False) -> Sequence[Mistake]:
        """Return what is wrong with a Jinja2 template, with offsets; with `many` it is a digest's."""
        return ()

    def template(self, name: str, *, many: bool = False) -> Any:
        """Return the template of `templates:` with this name (a mapping with `title`, `body` and
        `format`), and have it checked as a digest's if `many`. Raise the error of an unknown name.
        """
        return {}


_NOTHING = Context()


def context_of(info: ValidationInfo) -> Context:
    """Return the context of a validation."""
    return info.context if isinstance(info.context, Context) else _NOTHING
