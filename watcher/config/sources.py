"""The sources of the configuration: the common settings of a source, and its provider's own.

Rules: one source's mistakes never hide another's. A provider's settings are its own model, whose
keys stand beside the common ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    PlainValidator,
    SkipValidation,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import InitErrorDetails, PydanticKnownError

from watcher.config.discovery import PluginUnusable, ProviderLoader
from watcher.config.tree import Entries, Entry, Place, Scalar
from watcher.config.validate import Work, validate
from watcher.mapping import FieldMapping, MappingError, compile_mapping
from watcher.providers import Budget, Provider, ProviderSettings
from watcher.secrets import SecretText
from watcher.settings.base import Mistake, Settings, mistakes, wrong
from watcher.settings.link import USUAL, Link, LinkSettings, Proxy, proxy
from watcher.settings.values import (
    NAME_PATTERN,
    Duration,
    Size,
    default_duration,
    format_duration,
    secret,
)
from watcher.suggest import did_you_mean, listing, short

__all__ = ["Source", "build_sources", "check_name"]

_HEADER_TOKEN = re.compile(r"[!-~]+\Z")
_SECOND = timedelta(seconds=1)


class Hold(Settings):
    """How many rows a complete sweep may lack before it is held: both must be exceeded."""

    rows: int = Field(default=20, ge=0, description="So many rows are never too many.")
    percent: float = Field(
        default=10, ge=0, le=100, description="This share of the known rows is never too much."
    )


def _check_token(value: str) -> None:
    if value and not _HEADER_TOKEN.match(value):
        raise wrong(
            "has white space or a character outside ASCII in it",
            "write the token alone, without quotes or line breaks around it",
        )


def _mapping(value: Any) -> FieldMapping | None:
    """Compile `fields`; every wrong one is reported at its own key."""
    if value is None or isinstance(value, FieldMapping):
        return value
    if not isinstance(value, Mapping):
        raise PydanticKnownError("dict_type")
    texts = {name: text for name, text in value.items() if isinstance(text, str)}
    details = [
        InitErrorDetails(type="string_type", loc=(name,), input=None)
        for name in value
        if name not in texts
    ]
    mapping = None
    try:
        mapping = compile_mapping(texts) if texts else None
    except MappingError as error:
        for one in (error, *error.others):
            remedy = f"did you mean `{one.suggestion}`?" if one.suggestion else ""
            details.append(Mistake(f": {one.message}", remedy, (one.field,)).details)
    if details:
        raise ValidationError.from_exception_data("fields", details)
    return mapping


_Token = Annotated[SecretText, secret(_check_token)]
_Mapping = Annotated[
    FieldMapping | None,
    PlainValidator(_mapping),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


class Source(LinkSettings):
    """One account at a provider; the provider's own settings stand beside these."""

    name: SkipJsonSchema[str]
    provider_class: SkipJsonSchema[SkipValidation[type[Provider]]]
    settings: SkipJsonSchema[SkipValidation[ProviderSettings]]
    """An instance of `provider_class.settings_model`, as it was when it was loaded."""

    token: SkipJsonSchema[_Token] = Field(default_factory=lambda: SecretText.literal(""))
    """Returns the token of the moment; the one in `settings` is that of loading."""

    provider: str = Field(min_length=1, description="Name of an installed provider.")
    poll_every: Duration = default_duration(
        "30s", ge=_SECOND, description="Interval of the fast look for recent activity."
    )
    sweep_every: Duration = default_duration(
        "15m", ge=_SECOND, description="Interval of the complete walk, which finds every change."
    )
    timeout: Duration = default_duration(
        "60s",
        ge=_SECOND,
        le=timedelta(minutes=10),
        description="Time for one request, its answer included.",
    )
    largest_answer: Size = Field(
        default=32 * 2**20,
        json_schema_extra={"default": "32MiB"},
        description="An unpacked answer larger than this is not read, from 64KiB to 1024MiB.",
    )
    mapping: _Mapping = Field(
        default=None,
        alias="fields",
        description="Canonical fields taken from the provider's raw row with JMESPath,"
        " for instance `disposition: custom_attributes.outcome`.",
    )
    hold: Hold = Field(default_factory=Hold, description="When a sweep is implausible.")
    proxy: Proxy = proxy("environment")

    @model_validator(mode="after")
    def _sweep_after_polls(self) -> Self:
        if self.sweep_every < self.poll_every:
            if "sweep_every" in self.model_fields_set:
                remedy = f"write `{format_duration(self.poll_every)}` or more"
                message = "is shorter than `poll_every`"
                raise mistakes([Mistake(message, remedy, ("sweep_every",), beside=("poll_every",))])
            # The default gives way to a slower poll.
            self.__dict__["sweep_every"] = self.poll_every
        return self

    @cached_property
    def link(self) -> Link:
        """How it is reached; the usual link is shared."""
        own = LinkSettings.model_fields.keys() & self.model_fields_set
        return self.link_with() if own else USUAL


_EXTRA = frozenset(("name", "provider_class", "settings"))
_COMMON = tuple(
    info.alias or name
    for name, info in Source.model_fields.items()
    if name not in _EXTRA and name != "token"
)


def check_name(entry: Entry, kind: str, work: Work) -> None:
    """Check the name of a source or a receiver."""
    if not re.match(NAME_PATTERN, entry.name) or entry.name.endswith("\n"):
        work.problems.append(
            entry.key.place.problem(
                f"`{short(entry.name)}` cannot be the name of a {kind}",
                "begin with a small letter, then at most 62 of a-z, 0-9, _ and -",
            )
        )


def build_sources(
    entries: Mapping[str, Entry], providers: Mapping[str, ProviderLoader], work: Work
) -> tuple[Source, ...]:
    """Check all sources; return those without mistakes."""
    loaded: dict[str, type[Provider] | PluginUnusable] = {}
    sources = []
    demands = []
    for entry in entries.values():
        source = _source(entry, providers, loaded, work)
        if source is not None:
            sources.append(source)
            demands += _demand(entry, source, work)
    _warn_of_limits(demands, work)
    return tuple(sources)


def _source(
    entry: Entry,
    providers: Mapping[str, ProviderLoader],
    loaded: dict[str, type[Provider] | PluginUnusable],
    work: Work,
) -> Source | None:
    check_name(entry, "source", work)
    what = f"the source `{short(entry.name)}`"
    table = entry.value
    if not isinstance(table, Entries):
        # What stands there may be a misplaced token, so it is not shown.
        message = f"{what} must be a mapping, found {table.kind}"
        work.problems.append(table.place.problem(message, "write `provider: …` below it"))
        return None
    place = entry.key.place
    provider = _provider(table, providers, loaded, work)
    settings = None
    if provider is not None:
        own = _only(table, lambda name: name not in _COMMON)
        settings = _settings(provider, own, work, what=what, parent=place)
    common = _only(table, lambda name: name in _COMMON or name == "token")
    # The common settings are checked also where the provider's own ones are wrong.
    given = {"name": entry.name, "provider_class": provider, "settings": settings}
    source = validate(
        Source,
        common,
        work,
        parent=place,
        what=what,
        literal=("provider", "fields"),
        extra=given,
    )
    return source if settings is not None else None


def _only(table: Entries, wanted: Callable[[str], bool]) -> Entries:
    entries = tuple(entry for entry in table if wanted(entry.name))
    return Entries(table.place, entries, table.weight)


def _provider(
    table: Entries,
    providers: Mapping[str, ProviderLoader],
    loaded: dict[str, type[Provider] | PluginUnusable],
    work: Work,
) -> type[Provider] | None:
    """Return the class of the provider that a source names."""
    entry = table.get("provider")
    if entry is None or not isinstance(entry.value, Scalar):
        return None
    node = entry.value
    name = node.value
    if not isinstance(name, str) or not name:
        return None  # reported with the common settings
    if name not in providers:
        work.problems.append(
            node.place.problem(
                f"there is no provider `{short(name)}`",
                f"{did_you_mean(name, providers)}installed: {listing(providers) or 'none'}",
            )
        )
        return None
    if name not in loaded:
        try:
            loaded[name] = providers[name]()
        except PluginUnusable as unusable:
            loaded[name] = unusable
    result = loaded[name]
    if isinstance(result, PluginUnusable):
        work.problems.append(node.place.problem(result.message, result.remedy))
        return None
    return result


def _settings(
    provider: type[Provider], table: Entries, work: Work, *, what: str, parent: Place
) -> ProviderSettings | None:
    """Check a provider's own settings."""
    model = provider.settings_model
    try:
        return validate(model, table, work, parent=parent, what=what, beside=_COMMON)
    except Exception as error:  # noqa: BLE001 - a plug-in's model may raise anything
        # Its message may quote a value, so only its type is shown.
        message = f"the provider's own check of {what} failed with {type(error).__name__}"
        work.problems.append(parent.problem(message, "report it to the provider's author"))
        return None


@dataclass(frozen=True, slots=True)
class _Demand:
    """What one source asks of a provider's limit: requests a second."""

    name: str
    place: Place
    budget: Budget
    rate: float
    poll_every: timedelta


def _demand(entry: Entry, source: Source, work: Work) -> list[_Demand]:
    """Estimate: a poll costs one request and one for each id set, a sweep at least one."""
    assert isinstance(entry.value, Entries)  # noqa: S101 - it became a source
    if work.texts.left_out_within(entry.value):
        return []  # the limit may depend on what was left out
    try:
        provider = source.provider_class(source.settings)
        budget, sets = provider.budget, len(provider.sets)
    except Exception as error:  # noqa: BLE001 - a stranger's class may raise anything
        message = f"the provider of the source `{source.name}` fails with {type(error).__name__}"
        work.problems.append(entry.key.place.problem(message, "report it to the provider's author"))
        return []
    rate = (1 + sets) / source.poll_every.total_seconds() + 1 / source.sweep_every.total_seconds()
    poll = entry.value.get("poll_every")
    place = poll.value.place if poll else entry.key.place
    return [_Demand(source.name, place, budget, rate, source.poll_every)]


def _warn_of_limits(demands: list[_Demand], work: Work) -> None:
    """Warn where sources that share a limit ask for more than it allows."""
    by_key: dict[str, list[_Demand]] = {}
    for demand in demands:
        by_key.setdefault(demand.budget.key, []).append(demand)
    for sharing in by_key.values():
        budget = min((demand.budget for demand in sharing), key=lambda b: b.requests / b.per)
        asked = sum(demand.rate for demand in sharing) * budget.per
        if asked <= budget.requests:
            continue
        names = listing(f"`{demand.name}`" for demand in sharing)
        first = min(sharing, key=lambda demand: demand.poll_every)
        slower = math.ceil(first.poll_every.total_seconds() * asked / budget.requests)
        ask = f"sources {names} ask" if len(sharing) > 1 else f"source {names} asks"
        work.warnings.append(
            first.place.problem(
                f"the {ask} for about {math.ceil(asked)} requests in {budget.per:g} s, the provider"
                f" allows {budget.requests}: the provider's limit wins, the delay shows as lag",
                f"poll less often, for instance `poll_every: {format_duration(timedelta(seconds=slower))}`",
            )
        )
