"""The sources of the configuration: their own settings, the provider's, its limits.

Law: one source's mistakes never hide another's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from watcher.config.discovery import ProviderLoader, ProviderUnusable
from watcher.config.expressions import compile_fields
from watcher.config.links import build_link, learn_link
from watcher.config.model import Source
from watcher.config.schema import SourceForm
from watcher.config.tree import Entries, Entry, Place, Scalar
from watcher.config.validate import Work, validate
from watcher.providers import Budget, Provider, ProviderSettings
from watcher.settings.values import NAME_PATTERN, format_duration
from watcher.suggest import did_you_mean, listing, short

__all__ = ["build_sources", "check_name"]

_COMMON = tuple(SourceForm.model_fields)
_LITERAL = ("provider", "fields")
_HEADER_TOKEN = re.compile(r"[!-~]+\Z")


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
    """Check all sources; gives those without mistakes."""
    loaded: dict[str, type[Provider] | ProviderUnusable] = {}
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
    loaded: dict[str, type[Provider] | ProviderUnusable],
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
    learn_link(table, work)
    common = validate(
        SourceForm,
        _only(table, lambda name: name in _COMMON),
        work,
        parent=place,
        what=what,
        literal=_LITERAL,
    )
    mapping = compile_fields(table.get("fields"), work)
    sweep_every = _sweep_every(common, table, work) if common else None
    provider = _provider(table, providers, loaded, work)
    if provider is None:
        return None
    own = _only(table, lambda name: name not in _COMMON)
    settings = _settings(provider, own, work, what=what, parent=place)
    token = table.get("token")
    if settings is None or common is None or sweep_every is None or token is None:
        return None
    assert isinstance(token.value, Scalar)  # noqa: S101 - the settings take it as text
    link = build_link(common, table, work, what=what)
    return Source(
        name=entry.name,
        provider=common.provider,
        provider_class=provider,
        settings=settings,
        token=work.texts.text(token.value),
        poll_every=common.poll_every,
        sweep_every=sweep_every,
        mapping=mapping,
        hold_rows=common.hold.rows,
        hold_share=common.hold.percent / 100,
        timeout=common.timeout.total_seconds(),
        largest_answer=common.largest_answer,
        link=link,
    )


def _only(table: Entries, wanted: Callable[[str], bool]) -> Entries:
    entries = tuple(entry for entry in table if wanted(entry.name))
    return Entries(table.place, entries, table.weight)


def _sweep_every(form: SourceForm, table: Entries, work: Work) -> timedelta | None:
    """Give the interval of sweeps; the default gives way to a slower poll."""
    entry = table.get("sweep_every")
    if entry is None:
        return max(form.sweep_every, form.poll_every)
    poll = table.get("poll_every")
    unknown = work.texts.left_out(entry.value) or (poll and work.texts.left_out(poll.value))
    if form.sweep_every < form.poll_every and not unknown:
        work.problems.append(
            entry.value.place.problem(
                "`sweep_every` is shorter than `poll_every`",
                f"write `{format_duration(form.poll_every)}` or more",
            )
        )
        return None
    return form.sweep_every


def _provider(
    table: Entries,
    providers: Mapping[str, ProviderLoader],
    loaded: dict[str, type[Provider] | ProviderUnusable],
    work: Work,
) -> type[Provider] | None:
    """Give the class of the provider that a source names."""
    entry = table.get("provider")
    if entry is None or not isinstance(entry.value, Scalar):
        return None
    node = entry.value
    name = node.value
    if not isinstance(name, str) or not name:
        return None  # the source's form has said so
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
        except ProviderUnusable as unusable:
            loaded[name] = unusable
    result = loaded[name]
    if isinstance(result, ProviderUnusable):
        work.problems.append(node.place.problem(result.message, result.remedy))
        return None
    return result


def _settings(
    provider: type[Provider], table: Entries, work: Work, *, what: str, parent: Place
) -> ProviderSettings | None:
    """Check a provider's own settings."""
    model = provider.settings_model
    try:
        settings = validate(model, table, work, parent=parent, what=what, beside=_COMMON)
    except Exception as error:  # noqa: BLE001 - a stranger's model may raise anything
        # Its message may quote a value, so only its type is shown.
        message = f"the provider's own check of {what} failed with {type(error).__name__}"
        work.problems.append(parent.problem(message, "report it to the provider's author"))
        return None
    token = table.get("token")
    if token is not None and isinstance(token.value, Scalar) and token.value.value is not None:
        _check_token(token.value, work)
    if settings is None:
        return None
    return settings.model_copy(update={"base_url": settings.base_url.rstrip("/")})


def _check_token(node: Scalar, work: Work) -> None:
    """Check the token, which goes into a header, and make it known as a secret."""
    text = work.texts.text(node)
    if not work.texts.left_out(node):
        value = text.read()
        work.texts.redactor.add(value)
        if value and not _HEADER_TOKEN.match(value):
            work.problems.append(
                node.place.problem(
                    "`token` has white space or a character outside ASCII in it",
                    "write the token alone, without quotes or line breaks around it",
                )
            )


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
