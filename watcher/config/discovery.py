"""Which providers are installed, and the class behind a name.

Law: providers come from the entry-point group `watcher.providers` alone, our own included. A
module is imported only when a source (or the schema for editors) names its provider.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast, get_args

from watcher.errors import WatcherError
from watcher.providers import IdSet, Provider, ProviderSettings
from watcher.suggest import short

__all__ = ["GROUP", "ProviderLoader", "ProviderUnusable", "installed_providers"]

GROUP = "watcher.providers"

ProviderLoader = Callable[[], type[Provider]]
"""Gives a provider's class; raises ProviderUnusable."""


class ProviderUnusable(WatcherError):
    """A provider's name is known, but there is no class to use; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message)


def installed_providers() -> dict[str, ProviderLoader]:
    """Find the installed providers, in name order; nothing is imported yet."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, {})[_origin(point)] = point
    return {name: partial(_load, name, found[name]) for name in sorted(found)}


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def _load(name: str, points: dict[str, EntryPoint]) -> type[Provider]:
    if len(points) > 1:
        raise ProviderUnusable(
            f"the provider `{name}` is claimed by several distributions:"
            f" {', '.join(sorted(points))}",
            "uninstall all but one of them",
        )
    ((origin, point),) = points.items()
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything
        raise ProviderUnusable(
            f"the provider `{name}` of the distribution {origin} cannot be imported:"
            f" {type(error).__name__}: {short(str(error))}",
            f"install a version of {origin} that works with this one",
        ) from None
    if fault := _fault(loaded):
        raise ProviderUnusable(
            f"{point.value} of the distribution {origin} is not a provider: {fault}",
            "see watcher.providers.Provider",
        )
    model = loaded.settings_model
    if not (isinstance(model, type) and issubclass(model, ProviderSettings)):
        raise ProviderUnusable(
            f"the settings of the provider `{name}` of the distribution {origin} are no subclass"
            " of watcher.providers.ProviderSettings",
            f"install a version of {origin} that works with this one",
        )
    return cast("type[Provider]", loaded)


def _fault(loaded: Any) -> str:
    """Return what keeps an object from being a provider's class, empty if nothing does."""
    if not (isinstance(loaded, type) and issubclass(loaded, Provider)):
        return "it is not a subclass of watcher.providers.Provider"
    lacking = sorted(loaded.__abstractmethods__)
    if not hasattr(loaded, "settings_model"):
        lacking.append("settings_model")
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    # The store can compare a set's ids with what it knows only for these.
    unknown = sorted({str(name) for name in loaded.sets} - set(get_args(IdSet)))
    return f"its sets name {', '.join(unknown)}, which no id set is called" if unknown else ""
