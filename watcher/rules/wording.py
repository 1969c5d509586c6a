"""Rules and silences in words, for people who check what they wrote.

Law: pure; a sentence says all that its rule does, in the words of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from watcher.rules.hours import Hours, Window
from watcher.rules.pace import Digest
from watcher.rules.rule import Rule
from watcher.rules.silence import Silence
from watcher.settings.calendar import DAY, EVERY_DAY
from watcher.settings.values import format_duration

__all__ = ["describe_rule", "describe_silence", "say_days", "say_hours"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def describe_rule(rule: Rule) -> str:
    """Say in one line what a rule does, and when."""
    parts = [" or ".join(rule.when), *_asked(rule), *_told(rule)]
    if rule.throttle is not None:
        same = rule.throttle.by.source if rule.throttle.by is not None else "conversation"
        within = format_duration(rule.throttle.within)
        parts.append(f"at most one message in {within} for each {_one_line(same)}")
    if rule.hours is not None:
        parts.append(f"only {say_hours(rule.hours)}, {_otherwise(rule.hours)}")
    if rule.severity:
        parts.append(f"severity {rule.severity}")
    if rule.stop:
        parts.append("later rules are not asked")
    return "; ".join(parts)


def _asked(rule: Rule) -> Iterator[str]:
    if rule.where is not None:
        yield f"where {_one_line(rule.where.source)}"
    if rule.unless is not None:
        yield f"unless {_one_line(rule.unless.source)}"


def _told(rule: Rule) -> Iterator[str]:
    to = f"to {', '.join(rule.notify)}"
    if rule.digest is not None:
        yield f"collected {to}: one message{_by(rule.digest)} {_when(rule.digest)}"
    elif rule.hold_for is not None:
        yield f"if it lasts {format_duration(rule.hold_for)}, {to}"
    else:
        yield f"at once {to}"
    if rule.repeat is not None:
        most = rule.repeat.at_most
        bound = "" if most is None else f", {most} time{'s' if most > 1 else ''} at most"
        yield f"again every {format_duration(rule.repeat.every)} while it lasts{bound}"


def _by(digest: Digest) -> str:
    return f" for each {_one_line(digest.by.source)}" if digest.by is not None else ""


def _when(digest: Digest) -> str:
    times = [f"every {format_duration(digest.every)}"] if digest.every is not None else []
    if digest.at:
        times.append("at " + ", ".join(f"{at:%H:%M}" for at in digest.at))
    days = "" if digest.days == EVERY_DAY else f" on {say_days(digest.days)}"
    return f"{' and '.join(times)}{days} ({digest.zone.key})"


def describe_silence(silence: Silence) -> str:
    """Say in one line what a silence suppresses, when and why."""
    parts = [f"nothing is told where {_one_line(silence.match.source)}"]
    if silence.starts is not None:
        parts.append(f"from {_at(silence.starts)}")
    if silence.ends is not None:
        parts.append(f"until {_at(silence.ends)}")
    if silence.hours is not None:
        parts.append(say_hours(silence.hours))
    if silence.reason:
        parts.append(f"because: {silence.reason}")
    return "; ".join(parts)


def say_hours(hours: Hours) -> str:
    """Write hours as the configuration has them: `mon-fri 09:00-18:00 (Europe/Berlin)`."""
    windows = " and ".join(map(_window, hours.windows))
    return f"{windows} ({hours.zone.key})"


def _window(window: Window) -> str:
    end = window.end if window.end <= DAY else window.end - DAY
    span = f"{_clock(window.start)}-{_clock(end)}"
    return span if window.days == EVERY_DAY else f"{say_days(window.days)} {span}"


def _otherwise(hours: Hours) -> str:
    words = {"hold": "otherwise held until then", "drop": "otherwise dropped"}
    return words.get(hours.otherwise, f"otherwise to {hours.otherwise}")


def say_days(days: frozenset[int]) -> str:
    """Write days of the week as the configuration has them: `mon-fri`, `sat,sun`."""
    said: list[str] = []
    for first in range(7):
        if first not in days or first - 1 in days:
            continue
        last = next(day for day in range(first, 7) if day + 1 not in days)
        joint = "-" if last > first + 1 else ","
        said.append(_DAYS[first] if last == first else f"{_DAYS[first]}{joint}{_DAYS[last]}")
    return ",".join(said)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _one_line(source: str) -> str:
    return " ".join(source.split())
