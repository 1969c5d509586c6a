"""Hours and digests of the configuration: the values that rules and silences are made of.

Law: what is missing a time zone takes the configuration's, else UTC, which is warned of.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from watcher.config.expressions import compile_by, text_of
from watcher.config.named import Names
from watcher.config.rule_schema import DigestForm, HoursForm, RuleHoursForm
from watcher.config.tree import Entries, Entry, Place
from watcher.config.validate import Work
from watcher.rules import Digest, Hours, Window
from watcher.settings.calendar import parse_moment
from watcher.suggest import short

__all__ = ["build_digest", "build_hours", "moment", "zone_of"]

_UTC = ZoneInfo("UTC")


def zone_of(own: ZoneInfo | None, names: Names, place: Place, what: str, work: Work) -> ZoneInfo:
    """Give the time zone that counts; without any it is UTC, and that is said."""
    zone = own or names.zone
    if zone is None:
        work.warnings.append(
            place.problem(
                f"{what} has no time zone, so UTC counts",
                "add `timezone: Europe/Berlin` (or yours) at the top level",
            )
        )
    return zone or _UTC


def build_hours(form: HoursForm, entry: Entry, names: Names, what: str, work: Work) -> Hours | None:
    """Make hours; None where neither `between` nor `windows` says when."""
    table = entry.value
    assert isinstance(table, Entries)  # noqa: S101 - the form is made of a mapping
    if form.windows and (form.between or form.days is not None):
        place = table.get("windows") or entry
        work.problems.append(
            place.key.place.problem(
                f"`hours` of {what} has both `windows` and `days` or `between`",
                "put days and between into the windows",
            )
        )
        return None
    if not (form.windows or form.between):
        work.problems.append(
            entry.key.place.problem(
                f"`hours` of {what} does not say when: it lacks `between`",
                'add `between: "09:00-18:00"`; for whole days "00:00-24:00"',
            )
        )
        return None
    days = form.days if form.days is not None else frozenset(range(7))
    windows: Iterable[Window] = (
        Window(own, *span)
        for own, spans in (
            [(one.days, one.between) for one in form.windows] or [(days, form.between or ())]
        )
        for span in spans
    )
    zone = zone_of(form.timezone, names, entry.key.place, f"`hours` of {what}", work)
    otherwise = form.otherwise if isinstance(form, RuleHoursForm) else ""
    return Hours(tuple(windows), zone, otherwise)


def build_digest(
    form: DigestForm, entry: Entry, names: Names, what: str, work: Work
) -> Digest | None:
    """Make a digest; None where neither `every` nor `at` says when."""
    table = entry.value if isinstance(entry.value, Entries) else None
    by = compile_by(table.get("by") if table else None, work, names.conditions)
    if form.every is None and not form.at:
        work.problems.append(
            entry.key.place.problem(
                f"`digest` of {what} does not say when: it lacks `every` and `at`",
                'add `every: 15m`, or `at: "09:00"`',
            )
        )
        return None
    place = entry.key.place
    zone = zone_of(form.timezone, names, place, f"`digest` of {what}", work)
    return Digest(form.every, tuple(sorted(form.at or ())), zone, by, form.days)


def moment(
    entry: Entry | None, zone: ZoneInfo, work: Work, *, last: bool = False
) -> datetime | None:
    """Read the date of a setting, if it is there; with `last`, a date alone is its end."""
    node = text_of(entry)
    if node is None or entry is None:
        return None
    try:
        return parse_moment(node.raw, zone, last=last)
    except ValueError as error:
        work.problems.append(
            node.place.problem(
                f"`{entry.name}` {error}, found `{short(node.raw)}`",
                "write 2026-12-24, or 2026-12-24 18:00",
            )
        )
        return None
