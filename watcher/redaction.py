"""What of an event a receiver may see: all of it, ids alone, or all but some fields.

Rules: pure. What goes out follows from the stored event and the configuration alone, so every
attempt carries the same bytes. Nothing is added but the list of what was left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator

from watcher.catalogue.fields import PATHS
from watcher.model import Event
from watcher.settings.base import wrong
from watcher.suggest import nearest
from watcher.vocabulary import EVENT_SHAPE, Shape

__all__ = [
    "EVERYTHING",
    "RedactedPath",
    "RedactionError",
    "Visibility",
    "check_redaction",
    "redact",
]

_THIN = ("source", "provider", "test", "returned", "held", "receiver", "rule", "event", "attempts")
"""Keys of `data` that say nothing about a person."""

_THIN_DELIVERY = ("rule", "kind", "event", "count", "number", "resolved")

_NEEDED = ("id", *(path.name for path in PATHS.values() if path.kind == "flag"))
"""Fields without which an event says nothing, and which are never null."""

_CONVERSATION: Mapping[str, Shape] = (EVENT_SHAPE.members or {})["conversation"].members or {}


class RedactionError(ValueError):
    """A path that cannot be redacted; `remedy` says what can."""

    def __init__(self, message: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Visibility:
    """What a receiver may see. `thin`: ids only. `redacted` are paths below `conversation`, as
    `check_redaction` returns them.
    """

    thin: bool = False
    redacted: tuple[str, ...] = ()


EVERYTHING = Visibility()


def check_redaction(path: str) -> str:
    """Return a path relative to `conversation`; raise RedactionError.

    Below `attributes` any name is allowed.
    """
    plain = path.removeprefix("conversation.")
    members: Mapping[str, Shape] | None = _CONVERSATION
    passed: list[str] = []
    for name in plain.split("."):
        if members is None and name and passed and passed[0] == "attributes":
            passed.append(name)
            continue
        if members is None or name not in members:
            raise _unknown(name, passed, members)
        passed.append(name)
        shape = members[name]
        members = shape.members if shape.kind == "map" else {}
        if shape.kind == "map" and shape.members is None:
            members = None
    if plain in _NEEDED:
        raise RedactionError(
            "cannot be redacted: without it an event says nothing",
            "leave it out, or use `payload: thin` on a webhook",
        )
    return plain


def _path(value: str) -> str:
    try:
        return check_redaction(value)
    except RedactionError as error:
        raise wrong(str(error), error.remedy) from None


RedactedPath = Annotated[str, AfterValidator(_path)]
"""A path in a setting."""


def _unknown(name: str, passed: list[str], members: Mapping[str, Shape] | None) -> RedactionError:
    known = [one for one in members or () if passed or one not in _NEEDED]
    inside = f"`conversation.{'.'.join(passed)}`" if passed else "`conversation`"
    if passed == ["attributes"]:
        return RedactionError("names no attribute", "write attributes and the name of one")
    if not known:
        return RedactionError("leads nowhere", f"{inside} has no fields of its own")
    near = nearest(name, known)
    meant = f"did you mean `{'.'.join((*passed, near))}`?; " if near else ""
    return RedactionError(f"is no field of {inside}", f"{meant}there is: {', '.join(known)}")


def redact(event: Event, what: Visibility) -> Event:
    """Return the event as a receiver may see it; the events of a digest likewise."""
    if not what.thin and not what.redacted:
        return event
    shown = _thin(event.data, event.subject) if what.thin else _redact(event.data, what.redacted)
    return dataclasses.replace(event, data=shown)


def _thin(data: Mapping[str, Any], subject: str | None) -> dict[str, Any]:
    shown = {key: data[key] for key in _THIN if key in data}
    if subject is not None:
        shown["conversation"] = {"id": subject}
    if "delivery" in data:
        delivery = data["delivery"]
        shown["delivery"] = {key: delivery[key] for key in _THIN_DELIVERY if key in delivery}
    if "events" in data:
        shown["events"] = [
            {**one, "data": _thin(one["data"], one.get("subject"))} for one in data["events"]
        ]
    return shown


def _redact(data: Mapping[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    shown = dict(data)
    if "events" in data:
        shown["events"] = [{**one, "data": _redact(one["data"], paths)} for one in data["events"]]
    if data.get("conversation") is None:
        return shown
    for path in paths:
        shown["conversation"] = _without(shown["conversation"], path.split("."))
        field, *rest = path.split(".")
        change = (shown.get("changes") or {}).get(field)
        if change is not None:
            sides = {
                side: _without({field: value}, [field, *rest])[field]
                for side, value in change.items()
            }
            shown["changes"] = {**shown["changes"], field: sides}
    shown["redacted"] = list(paths)
    return shown


def _without(value: Mapping[str, Any], path: list[str]) -> dict[str, Any]:
    """Return a copy in which the field at the path, if there is one, is empty."""
    name, *rest = path
    if name not in value:
        return dict(value)
    inner = value[name]
    if rest:
        emptied = _without(inner, rest) if isinstance(inner, Mapping) else inner
    else:
        emptied = _empty(name, inner)
    return {**value, name: emptied}


def _empty(name: str, value: Any) -> Any:
    """Return the empty value of a field: null, or an empty list or object where the contract has
    one.
    """
    if name == "contact" and isinstance(value, Mapping):
        return dict.fromkeys(value)
    if name == "attributes" and isinstance(value, Mapping):
        return {}
    return [] if isinstance(value, list) else None
