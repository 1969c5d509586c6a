"""Reading what an expression gives as a value of the model.

Law: pure. Each reader takes plain JSON and gives the model's value, None for what is empty, or
raises WrongType with what could have stood there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from watcher.catalogue.fields import PATHS, Kind
from watcher.model import Disposition, Reference

__all__ = ["READERS", "REQUIRED", "WrongType", "kind"]

REQUIRED = frozenset(path.name for path in PATHS.values() if path.required)
"""Fields that a conversation always has: there is no null to put in their place."""


class WrongType(Exception):
    """The value cannot be read; `allowed` says in words what can."""

    def __init__(self, allowed: str) -> None:
        super().__init__(allowed)
        self.allowed = allowed


def kind(value: Any) -> str:
    """Name the type of a JSON value, never the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float):
        return "a number"
    return "an object" if isinstance(value, Mapping) else "a list"


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | Mapping) and not value)


def _scalar(value: Any) -> str | None:
    """Spell a scalar as JSON does, None where it is no scalar; blank text is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float):
        whole = isinstance(value, float) and value.is_integer()
        return str(int(value)) if whole else str(value)
    return None


def read_text(value: Any) -> str | None:
    """Read a text; numbers and true/false are spelled."""
    if _is_empty(value):
        return None
    text = _scalar(value)
    if text is None:
        raise WrongType("a text or a number")
    return text or None


def read_flag(value: Any) -> bool:
    """Read true or false; null and empty text are false, as are the words that say so."""
    if _is_empty(value):
        return False
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    word = str(_scalar(value)).casefold()
    if word not in words:
        raise WrongType("true or false")
    return words[word]


def read_labels(value: Any) -> tuple[str, ...]:
    """Read labels from a list (of texts, or of objects with a name) or from text with commas."""
    if _is_empty(value):
        return ()
    allowed = "a list of texts, or a text with commas"
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple):
        raise WrongType(allowed)
    names = [_first(one, "name", "title", "label") for one in value if not _is_empty(one)]
    if None in names:
        raise WrongType(allowed)
    return tuple(sorted({name for name in names if name}))


def read_reference(value: Any) -> Reference | None:
    """Read somebody from an id, or from an object with `id` and `name`."""
    if _is_empty(value):
        return None
    if isinstance(value, Mapping):
        name = _first(value, "name", "displayName", "label")
        identity = _first(value, "id") or name
        if not identity:
            raise WrongType("an id, or an object with `id` and `name`")
        return Reference(identity, name or None)
    text = _scalar(value)
    if text is None:
        raise WrongType("an id, or an object with `id` and `name`")
    return Reference(text) if text else None


def read_disposition(value: Any) -> Disposition | None:
    """Read a disposition: a scalar is its label, an object has the keys of the contract."""
    if _is_empty(value):
        return None
    text = _scalar(value)
    if text is not None:
        return Disposition(label=text) if text else None
    allowed = "a text, or an object with id, label, outcome, changed_at or changed_by"
    if not isinstance(value, Mapping):
        raise WrongType(allowed)
    read = Disposition(
        id=_first(value, "id") or None,
        label=_first(value, "label", "name", "displayName") or None,
        outcome=_first(value, "outcome") or None,
        changed_at=_time(value.get("changed_at")),
        changed_by=_first(value, "changed_by") or None,
    )
    if read == Disposition():
        raise WrongType(allowed)
    return read


def read_json(value: Any) -> Any:
    """Take any JSON as it is."""
    return value


def _first(value: Any, *keys: str) -> str | None:
    """Spell a scalar, or the first key of an object that holds one, itself an object with a name
    perhaps (`changed_by: {name: Ana}`).
    """
    if not isinstance(value, Mapping):
        return _scalar(value)
    for key in keys:
        inner = value.get(key)
        text = _first(inner, "name", "id") if isinstance(inner, Mapping) else _scalar(inner)
        if text:
            return text
    return None


def _time(value: Any) -> datetime | None:
    """Read RFC 3339 text or a Unix time in seconds or milliseconds."""
    if _is_empty(value):
        return None
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
            return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= 1e11 else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise WrongType("a time (RFC 3339) as `changed_at`")


_BY_KIND: Mapping[Kind, Callable[[Any], Any]] = {
    "text": read_text,
    "flag": read_flag,
    "labels": read_labels,
    "reference": read_reference,
    "disposition": read_disposition,
    "json": read_json,
}

READERS: Mapping[str, Callable[[Any], Any]] = {
    path.name: _BY_KIND[path.kind] for path in PATHS.values() if path.field.mappable
}
"""How each field is read; `attributes` stands for every `attributes.<name>`."""
