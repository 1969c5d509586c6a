"""The parts of the configuration whose settings are a plug-in's: sources and receivers.

Rules: one part's mistakes never hide another's. What a provider or a kind of receiver takes is its
own model; here the plug-in that a part names is looked up, and its settings get their place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from watcher.config.discovery import PluginUnusable, ProviderLoader, ReceiverLoader
from watcher.config.model import Source
from watcher.config.tree import Entries, Entry, Place, Scalar
from watcher.config.validate import Validation, found, validate
from watcher.notify.receivers import Receiver
from watcher.providers import Provider, ProviderSettings
from watcher.settings.values import NAME_PATTERN
from watcher.suggest import did_you_mean, listing, short

__all__ = ["build_receivers", "build_sources"]

M = TypeVar("M", bound=BaseModel)

_EXTRA = frozenset(("name", "provider_class", "settings"))
_COMMON = tuple(
    info.alias or name
    for name, info in Source.model_fields.items()
    if name not in _EXTRA and name != "token"
)
_SHARED = frozenset((*_COMMON, "token"))


def _check_name(entry: Entry, kind: str, validation: Validation) -> None:
    """Check the name of a source or a receiver."""
    if not re.match(NAME_PATTERN, entry.name) or entry.name.endswith("\n"):
        validation.problems.append(
            entry.key.place.problem(
                f"`{short(entry.name)}` cannot be the name of a {kind}",
                "begin with a small letter, then at most 62 of a-z, 0-9, _ and -",
            )
        )


def build_sources(
    entries: Mapping[str, Entry], providers: Mapping[str, ProviderLoader], validation: Validation
) -> tuple[Source, ...]:
    """Check all sources; return those without mistakes."""
    loaded: dict[str, type[Provider] | PluginUnusable] = {}
    sources = []
    for entry in entries.values():
        source = _source(entry, providers, loaded, validation)
        if source is not None:
            sources.append(source)
            _works(entry, source, validation)
    return tuple(sources)


def _source(
    entry: Entry,
    providers: Mapping[str, ProviderLoader],
    loaded: dict[str, type[Provider] | PluginUnusable],
    validation: Validation,
) -> Source | None:
    _check_name(entry, "source", validation)
    what = f"the source `{short(entry.name)}`"
    table = entry.value
    if not isinstance(table, Entries):
        # What stands there may be a misplaced token, so it is not shown.
        message = f"{what} must be a mapping, found {table.kind}"
        validation.problems.append(table.place.problem(message, "write `provider: …` below it"))
        return None
    place = entry.key.place
    provider = _provider(table, providers, loaded, validation)
    settings = None
    if provider is not None:
        own = _only(table, lambda name: name not in _COMMON)
        model: type[ProviderSettings] = provider.settings_model
        settings = _of_plugin(
            model, own, validation, whose="provider", what=what, parent=place, beside=_COMMON
        )
    common = _only(table, _SHARED.__contains__)
    # The common settings are checked also where the provider's own ones are wrong.
    given = {"name": entry.name, "provider_class": provider, "settings": settings}
    source = validate(
        Source,
        common,
        validation,
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
    validation: Validation,
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
        validation.problems.append(
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
        validation.problems.append(node.place.problem(result.message, result.remedy))
        return None
    return result


def _of_plugin(
    model: type[M],
    table: Entries,
    validation: Validation,
    *,
    whose: str,
    what: str,
    parent: Place,
    **more: Any,
) -> M | None:
    """Check settings against a plug-in's model; `whose` it is, for a report to its author."""
    try:
        return validate(model, table, validation, parent=parent, what=what, **more)
    except Exception as error:  # noqa: BLE001 - a plug-in's model may raise anything
        # Its message may quote a value, so only its type is shown.
        message = f"the {whose}'s own check of {what} failed with {type(error).__name__}"
        validation.problems.append(parent.problem(message, f"report it to the {whose}'s author"))
        return None


def build_receivers(
    entries: Mapping[str, Entry], kinds: Mapping[str, ReceiverLoader], validation: Validation
) -> tuple[Receiver, ...]:
    """Check all receivers; return those without mistakes."""
    receivers = (_receiver(entry, kinds, validation) for entry in entries.values())
    return tuple(receiver for receiver in receivers if receiver is not None)


def _receiver(
    entry: Entry, kinds: Mapping[str, ReceiverLoader], validation: Validation
) -> Receiver | None:
    _check_name(entry, "receiver", validation)
    what = f"the receiver `{short(entry.name)}`"
    table = entry.value
    if not isinstance(table, Entries):
        # What stands there may be a URL with a password, so it is not shown.
        message = f"{what} must be a mapping, found {table.kind}"
        validation.problems.append(
            table.place.problem(message, "write `type: …` and `url: …` below it")
        )
        return None
    kind = _kind(entry, table, kinds, what, validation)
    if kind is None:
        return None
    return _of_plugin(
        kind,
        table,
        validation,
        whose="receiver",
        what=what,
        parent=entry.key.place,
        literal=("type",),
        extra={"name": entry.name},
    )


def _kind(
    entry: Entry,
    table: Entries,
    kinds: Mapping[str, ReceiverLoader],
    what: str,
    validation: Validation,
) -> type[Receiver] | None:
    """Return the class of the kind of receiver that `type` names."""
    type_, allowed = table.get("type"), ", ".join(kinds)
    if type_ is None:
        message = f"{what} lacks `type`"
        remedy = f"add `type:` with one of: {allowed}"
        validation.problems.append(entry.key.place.problem(message, remedy))
        return None
    node = type_.value
    loader = kinds.get(node.value) if isinstance(node, Scalar) else None  # type: ignore[arg-type]  # any scalar
    if loader is None:
        near = did_you_mean(node.raw, kinds) if isinstance(node, Scalar) else ""
        shown = found(node, validation.texts, hidden=False)
        validation.problems.append(
            node.place.problem(f"`type` is no type of receiver{shown}", f"{near}allowed: {allowed}")
        )
        return None
    try:
        return loader()
    except PluginUnusable as unusable:
        validation.problems.append(node.place.problem(unusable.message, unusable.remedy))
        return None


def _works(entry: Entry, source: Source, validation: Validation) -> None:
    """Check that the provider can be made of its settings."""
    assert isinstance(entry.value, Entries)  # noqa: S101 - it became a source
    if validation.texts.left_out_within(entry.value):
        return  # it may need what was left out
    try:
        provider = source.provider_class(source.settings)
        _ = provider.account, provider.budget, provider.sets
    except Exception as error:  # noqa: BLE001 - a plug-in's class may raise anything
        message = f"the provider of the source `{source.name}` fails with {type(error).__name__}"
        validation.problems.append(
            entry.key.place.problem(message, "report it to the provider's author")
        )
