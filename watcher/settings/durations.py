"""Durations as texts: `500ms`, `30s`, `15m`, `1h30m`, `7d`.

Rules: pure, and cheap to import: commands read and write durations without the models of settings.
"""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["format_duration", "parse_duration", "suggest_duration"]

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DURATION = re.compile(
    r"(?=\d)(?:(?P<d>\d{1,9})d)?(?:(?P<h>\d{1,9})h)?(?:(?P<m>\d{1,9})m(?!s))?"
    r"(?:(?P<s>\d{1,9})s)?(?:(?P<ms>\d{1,9})ms)?\Z",
    re.ASCII,
)
_LONGEST = timedelta(days=3650)


def parse_duration(text: str) -> timedelta:
    """Read `500ms`, `30s`, `15m`, `1h30m`, `7d`: whole numbers, larger units first.

    Raise ValueError for anything else and for more than ten years.
    """
    match = _DURATION.match(text)
    if match is None:
        raise ValueError("is not a duration")
    milliseconds = sum(
        int(number) * _UNITS[unit] for unit, number in match.groupdict().items() if number
    )
    if milliseconds > _LONGEST / timedelta(milliseconds=1):
        raise ValueError("is longer than ten years")
    return timedelta(milliseconds=milliseconds)


def format_duration(duration: timedelta) -> str:
    """Write a duration as the configuration has it: `15m`, `1h30m`."""
    rest = duration // timedelta(milliseconds=1)
    shown = ""
    for unit, size in _UNITS.items():
        number, rest = divmod(rest, size)
        shown += f"{number}{unit}" if number else ""
    return shown or "0s"


_WORDS = {"ms": "ms", "milli": "ms", "s": "s", "m": "m", "h": "h", "d": "d"}
_LOOSE = re.compile(r"(\d{1,6})\s*([a-z]*)", re.ASCII)


def suggest_duration(text: str) -> str:
    """Return the duration that was probably meant, such as `30s` for `30` or `2 hours`, or nothing."""
    meant = ""
    for number, word in _LOOSE.findall(text.lower()):
        weeks = word.startswith("w")
        known = next((unit for start, unit in _WORDS.items() if word.startswith(start)), "s")
        meant += f"{int(number) * 7}d" if weeks else f"{number}{known}"
    try:
        parse_duration(meant)
    except ValueError:
        return ""
    return meant if re.fullmatch(r"[\w\s]+", text) else ""
