"""The kinds of value that settings take of a calendar: days of the week, times of day, time zones.

Rules: pure. What the texts mean is `watcher.settings.calendar`'s; here they become types of a model.
"""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, WithJsonSchema

from watcher.settings.base import wrong
from watcher.settings.calendar import WEEKDAYS, parse_between, parse_days, parse_time, parse_zone
from watcher.settings.values import reads
from watcher.suggest import nearest

__all__ = ["Days", "Spans", "Times", "Zone"]


def _zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        if isinstance(value, str):
            return parse_zone(value)
        near = ""
    except ValueError as error:
        near = str(error)
    raise wrong(
        "is not a time zone",
        f"did you mean `{near}`?" if near else "write a name such as Europe/Berlin or UTC",
    )


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _days(value: Any) -> Any:
    if isinstance(value, frozenset):
        return value
    parts = [value] if isinstance(value, str) else value
    near = ""
    if isinstance(parts, list) and parts and all(isinstance(part, str) for part in parts):
        try:
            return frozenset().union(*map(parse_days, parts))
        except ValueError:
            near = ",".join(filter(None, map(_meant_days, parts)))
    meant = f"did you mean `{near}`?; " if near else ""
    raise wrong("is not a day of the week", f"{meant}write mon, mon-fri or sat,sun")


_SPOKEN = {"weekday": "mon-fri", "workday": "mon-fri", "weekend": "sat,sun", "daily": "mon-sun"}


def _meant_days(text: str) -> str:
    """Return the days of the week that were probably meant, empty where nothing comes close."""

    def meant(match: re.Match[str]) -> str:
        word = match.group()
        found = [name for name in WEEKDAYS if name.startswith(word)] or [
            nearest(word, WEEKDAYS) or ""
        ]
        return found[0][:3] if len(found) == 1 else ""

    plain = text.strip().lower()
    spans = re.sub(r"\s*(?:-|–|\bto\b)\s*", "-", plain)
    near = _SPOKEN.get(plain.removesuffix("s")) or re.sub(r"[a-z]+", meant, spans)
    try:
        parse_days(near)
    except ValueError:
        return ""
    return near


def _one_or_more(pattern: str, *examples: str) -> WithJsonSchema:
    text = {"type": "string", "pattern": pattern, "examples": list(examples)}
    return WithJsonSchema({"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]})


_TIME_PATTERN = r"^([01]?\d|2[0-3]):[0-5]\d$"
_SPAN_REMEDY = "write it such as 09:00-18:00; over midnight 22:00-06:00; the whole day 00:00-24:00"
_SPAN_PATTERN = r"^\d{1,2}:[0-5]\d\s*-\s*\d{1,2}:[0-5]\d$"
Zone = Annotated[
    ZoneInfo,
    BeforeValidator(_zone),
    WithJsonSchema({"type": "string", "examples": ["Europe/Berlin", "UTC"]}),
]
_Time = Annotated[time, reads(parse_time, "a time of day", "write it such as 09:00")]
_Span = Annotated[tuple[int, int], reads(parse_between, "a span of time", _SPAN_REMEDY)]
_LIST = BeforeValidator(_listed)
_SOME = Field(min_length=1)
Times = Annotated[tuple[_Time, ...], _LIST, _SOME, _one_or_more(_TIME_PATTERN, "09:00")]
Spans = Annotated[
    tuple[_Span, ...], _LIST, _SOME, _one_or_more(_SPAN_PATTERN, "09:00-18:00", "22:00-06:00")
]
Days = Annotated[
    frozenset[int],
    BeforeValidator(_days),
    _one_or_more(r"^[A-Za-z ,-]+$", "mon-fri", "sat,sun"),
]
