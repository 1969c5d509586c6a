"""Which plug-ins are installed (providers, kinds of receiver), and the class behind a name.

Rules: both come from entry-point groups alone, our own included. A module is imported only when
the configuration (or the schema for editors) names what it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from pydantic import BaseModel

from watcher.config.validate import holds_secret, model_of
from watcher.errors import WatcherError
from watcher.notify.receivers import Receiver
from watcher.providers import IdSet, Provider, ProviderSettings
from watcher.secrets import is_secret
from watcher.suggest import short

__all__ = [
    "PluginUnusable",
    "ProviderLoader",
    "ReceiverLoader",
    "installed_providers",
    "installed_receivers",
]

ProviderLoader = Callable[[], type[Provider]]
"""Returns a provider's class; raises PluginUnusable."""

ReceiverLoader = Callable[[], type[Receiver]]
"""Returns the class of a kind of receiver; raises PluginUnusable."""


class PluginUnusable(WatcherError):
    """A plug-in's name is known, but there is no class to use; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message)


def installed_providers() -> dict[str, ProviderLoader]:
    """Find the installed providers, in name order; nothing is imported yet."""
    return _installed("watcher.providers", "provider", _fault_of_provider)


def installed_receivers() -> dict[str, ReceiverLoader]:
    """Find the installed kinds of receiver, in name order; nothing is imported yet."""
    return _installed("watcher.receivers", "type of receiver", _fault_of_receiver)


def _installed(
    group: str, noun: str, fault: Callable[[Any], str]
) -> dict[str, Callable[[], type[Any]]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        origin = point.dist.name if point.dist is not None else point.value
        found.setdefault(point.name, {})[origin] = point
    return {name: partial(_load, name, noun, found[name], fault) for name in sorted(found)}


def _load(
    name: str, noun: str, points: dict[str, EntryPoint], fault: Callable[[Any], str]
) -> type[Any]:
    if len(points) > 1:
        raise PluginUnusable(
            f"the {noun} `{name}` is claimed by several distributions: {', '.join(sorted(points))}",
            "uninstall all but one of them",
        )
    ((origin, point),) = points.items()
    try:
        loaded: type[Any] = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in's module may raise anything
        raise PluginUnusable(
            f"the {noun} `{name}` of the distribution {origin} cannot be imported:"
            f" {type(error).__name__}: {short(str(error))}",
            f"install a version of {origin} that works with this one",
        ) from None
    if found := fault(loaded):
        raise PluginUnusable(
            f"{point.value} of the distribution {origin} is not a {noun}: {found}",
            f"install a version of {origin} that works with this one",
        )
    return loaded


def _fault_of_provider(loaded: Any) -> str:
    """Return what keeps an object from being a provider's class, empty if nothing does."""
    if fault := _fault_of_class(loaded, Provider):
        return fault
    model = getattr(loaded, "settings_model", None)
    if not (isinstance(model, type) and issubclass(model, ProviderSettings)):
        return "its settings are not a subclass of watcher.providers.ProviderSettings"
    if fault := _fault_of_names(model):
        return fault
    # The store can compare a set's ids with what it knows only for these.
    unknown = sorted({str(name) for name in loaded.sets} - set(get_args(IdSet)))
    return f"its sets name {', '.join(unknown)}, which no id set is called" if unknown else ""


def _fault_of_receiver(loaded: Any) -> str:
    """Return what keeps an object from being the class of a receiver, empty if nothing does."""
    return _fault_of_class(loaded, Receiver) or _fault_of_names(loaded)


def _fault_of_names(model: type[BaseModel], seen: tuple[type[BaseModel], ...] = ()) -> str:
    """Return which setting of a model is a secret that its name does not tell: commands that read files
    without models would show it.
    """
    for name, info in model.model_fields.items():
        key, inner = info.alias or name, model_of(info.annotation)
        if holds_secret(info.annotation) and not is_secret(key):
            return f"its setting `{key}` is a secret whose name has no `token`, `secret`, `password` or `key`"
        if inner and inner not in seen and (fault := _fault_of_names(inner, (*seen, model))):
            return fault
    return ""


def _fault_of_class(loaded: Any, base: type) -> str:
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        return f"it is not a subclass of {base.__module__}.{base.__name__}"
    lacking = sorted(getattr(loaded, "__abstractmethods__", ()))
    if base is Provider and not hasattr(loaded, "settings_model"):
        lacking.append("settings_model")
    return f"it lacks {', '.join(lacking)}" if lacking else ""
