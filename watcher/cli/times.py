"""Times that people write in options and read in tables.

Rules: a time without a zone is that of the configuration's `timezone`, else of this machine; what
`--json` prints stays in UTC. Reads the clock of the caller, and the machine's zone.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from watcher.settings.calendar import parse_moment, parse_time
from watcher.settings.durations import parse_duration, suggest_duration

__all__ = ["Since", "Until", "machine_zone", "read_span", "read_time"]

LOCAL_TIME = Path("/etc/localtime")

EXAMPLES = "2h, 09:30, yesterday, 2026-11-30, '2026-11-30 09:30', or with a zone (…Z, …+01:00)"

Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help=f"Only from then on: {EXAMPLES}."),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="Only before then; written like --since."),
]

_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?", re.ASCII)
_DAY = timedelta(days=1)


def machine_zone() -> ZoneInfo:
    """Return the time zone of this machine: that of `TZ`, else of its settings, else UTC."""
    try:
        if (named := os.environ.get("TZ")) is not None:
            return ZoneInfo(named.removeprefix(":") or "UTC")
        with LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file, "local")
    except (LookupError, ValueError, OSError):
        return ZoneInfo("UTC")


def read_span(
    since: str | None, until: str | None, *, zone: ZoneInfo, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Read the options `--since` and `--until`; raise BadParameter with what to write.

    A duration counts back from now. A time of day is the latest that is past; as the end of a span
    with a beginning, the first after that. A day as an end is the end of that day.
    """
    start = None if since is None else _moment("--since", since, zone, now)
    end = None if until is None else _moment("--until", until, zone, now, after=start, last=True)
    if start is not None and end is not None and end <= start:
        raise typer.BadParameter(f"--until {until} is not later than --since {since}")
    return start, end


def read_time(option: str, text: str, *, zone: ZoneInfo, now: datetime) -> datetime:
    """Read the option of one time, in the same forms; raise BadParameter with what to write."""
    return _moment(option, text, zone, now)


def _moment(
    option: str,
    text: str,
    zone: ZoneInfo,
    now: datetime,
    *,
    after: datetime | None = None,
    last: bool = False,
) -> datetime:
    plain = text.strip()
    today = now.astimezone(zone).date()
    days = {"today": today, "yesterday": today - _DAY}
    try:
        if plain == "now":
            return now
        if plain in days:
            return parse_moment(days[plain].isoformat(), zone, last=last)
        if _CLOCK.fullmatch(plain):
            return _clock_time(plain, zone, now, after)
        if re.match(r"\d{4}-", plain, re.ASCII):
            return parse_moment(plain, zone, last=last)
        return now - parse_duration(plain)
    except ValueError:
        meant = suggest_duration(plain)
        hint = f"did you mean {meant}?" if meant else f"write {EXAMPLES}"
        raise typer.BadParameter(f"{option} {text!r} is not a time; {hint}") from None


def _clock_time(text: str, zone: ZoneInfo, now: datetime, after: datetime | None) -> datetime:
    """Return the first such time after `after`, or (None) the last one until now."""
    bound = after or now - _DAY
    hour, minute, *second = map(int, text.split(":"))
    day = bound.astimezone(zone).date()
    for ahead in range(3):
        # A day's clock is set in the zone, so that a day with 23 hours counts right.
        wall = datetime.combine(day + ahead * _DAY, parse_time(f"{hour}:{minute:02}"), zone)
        at = wall.replace(second=second[0] if second else 0).astimezone(UTC)
        if at > bound:
            return at
    return now
