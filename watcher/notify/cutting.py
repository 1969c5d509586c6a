"""Cutting: an event whose JSON is larger than its receiver takes, made as small as that.

Rules: pure, and the same for every attempt. Long texts are cut first, all to the same length, so that
the shorter ones stay whole; what is left of an event that is still too large is emptied of what has no
bound. `data.cut` names what was shortened, and ids and addresses never are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from watcher.model import Event

__all__ = ["cut"]

SHORTEST = 200
"""Characters; shorter texts stay whole."""

MOST = 50
"""Elements that a list keeps, and paths that `data.cut` names."""

MARK = "…"

_WHOLE = frozenset({"id", "url", "type", "source", "provider", "subject"})
"""Keys of values that would lead nowhere once they are cut."""

Path = tuple[str, ...]


def cut(event: Event, largest: int) -> Event:
    """Return an event whose body has at most `largest` bytes; the same one if it fits."""
    if len(event.body()) <= largest:
        return event
    longest = max((len(text) for _, text in _texts(event.data, ())), default=0)
    most = _most(longest, lambda most: _fits(_shortened(event, most), largest))
    if most is not None:
        return _shortened(event, most)
    emptied = dataclasses.replace(event, data=_marked(*_emptied(event.data)))
    most = _most(longest, lambda most: _fits(_shortened(emptied, most), largest))
    return _shortened(emptied, SHORTEST if most is None else most)


def _fits(event: Event, largest: int) -> bool:
    return len(event.body()) <= largest


def _most(longest: int, fits: Callable[[int], bool]) -> int | None:
    """Return the greatest length of texts with which the event fits, None if there is none."""
    low, high = SHORTEST, max(SHORTEST, longest)
    if not fits(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the texts that may be cut, with their paths."""
    if isinstance(value, str):
        if len(value) > SHORTEST and (not path or path[-1] not in _WHOLE):
            yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*path, str(number)))


def _shortened(event: Event, most: int) -> Event:
    found: list[Path] = []

    def shorten(value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            return {key: shorten(inner, (*path, str(key))) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [shorten(inner, (*path, str(at))) for at, inner in enumerate(value)]
        if isinstance(value, str) and len(value) > most and path[-1] not in _WHOLE:
            found.append(path)
            return value[: most - len(MARK)] + MARK
        return value

    data = {key: shorten(value, (str(key),)) for key, value in event.data.items()}
    return dataclasses.replace(event, data=_marked(data, found))


def _emptied(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Path]]:
    """Return data without attributes, and with the beginning of long lists."""
    found: list[Path] = []

    def empty(value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            if _is_attributes(path) and value:
                found.append(path)
                return {}
            return {key: empty(inner, (*path, str(key))) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            if len(value) > MOST:
                found.append(path)
            return [empty(inner, (*path, str(at))) for at, inner in enumerate(value[:MOST])]
        return value

    return {key: empty(value, (str(key),)) for key, value in data.items()}, found


def _is_attributes(path: Path) -> bool:
    """Return whether there are the attributes of a conversation, or one side of their change."""
    if path[-3:-1] == ("changes", "attributes"):
        return True
    return path[-1] == "attributes" and path[-2:-1] != ("changes",)


def _marked(data: Mapping[str, Any], found: list[Path]) -> dict[str, Any]:
    """Return data with the paths of what was cut, of attributes that of the whole value."""
    if not found:
        return dict(data)
    paths = [*data.get("cut", ()), *(".".join(_named(path)) for path in found)]
    return {**data, "cut": list(dict.fromkeys(paths))[:MOST]}


def _named(path: Path) -> Path:
    if "attributes" not in path:
        return path
    return path[: path.index("attributes") + 2]
