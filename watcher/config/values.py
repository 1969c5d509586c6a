"""Durations, addresses, sizes and limits: texts of the configuration that mean more than text.

Law: pure. What these functions raise never repeats the text, for it may come from a secret;
who knows that it does not shows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from watcher.rules.wording import say_duration

__all__ = [
    "Address",
    "parse_address",
    "parse_duration",
    "parse_limit",
    "parse_size",
    "say_duration",
    "suggest_duration",
]

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DURATION = re.compile(
    r"(?=\d)(?:(?P<d>\d{1,9})d)?(?:(?P<h>\d{1,9})h)?(?:(?P<m>\d{1,9})m(?!s))?"
    r"(?:(?P<s>\d{1,9})s)?(?:(?P<ms>\d{1,9})ms)?\Z",
    re.ASCII,
)
_LONGEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


def parse_duration(text: str) -> timedelta:
    """Read `500ms`, `30s`, `15m`, `1h30m`, `7d`: whole numbers, larger units first.

    Raises ValueError for anything else and for more than ten years.
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


def parse_address(text: str) -> Address:
    """Read `127.0.0.1:8484`, `[::1]:8484` or `localhost:8484`; raises ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not colon or not bare or re.search(r"[\s/\[\]@]", bare) or (":" in bare) != bracketed:
        raise ValueError("is not an address with a port")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise ValueError("is not an address with a port from 0 to 65535")
    return Address(bare, int(port))


def parse_limit(text: str) -> tuple[int, timedelta]:
    """Read `30/1m`: how many in how long, both above zero; raises ValueError."""
    number, slash, per = text.partition("/")
    if not (slash and number.isascii() and number.isdigit() and len(number) <= 6 and int(number)):
        raise ValueError("is not a limit")
    duration = parse_duration(per)
    if not duration:
        raise ValueError("is not a limit")
    return int(number), duration


def parse_size(text: str) -> int:
    """Read `512KiB` or `32MiB` as bytes (`KB` and `MB` mean the same); raises ValueError."""
    match = re.match(r"([1-9]\d{0,8})(K|M)i?B\Z", text, re.ASCII)
    if match is None:
        raise ValueError("is not a size")
    return int(match[1]) * (2**10 if match[2] == "K" else 2**20)


_WORDS = {"ms": "ms", "milli": "ms", "s": "s", "m": "m", "h": "h", "d": "d"}
_LOOSE = re.compile(r"(\d{1,6})\s*([a-z]*)", re.ASCII)


def suggest_duration(text: str) -> str:
    """Give the duration that was probably meant, such as `30s` for `30` or `2 hours`, or nothing."""
    said = ""
    for number, word in _LOOSE.findall(text.lower()):
        weeks = word.startswith("w")
        known = next((unit for start, unit in _WORDS.items() if word.startswith(start)), "s")
        said += f"{int(number) * 7}d" if weeks else f"{number}{known}"
    try:
        parse_duration(said)
    except ValueError:
        return ""
    return said if re.fullmatch(r"[\w\s]+", text) else ""
