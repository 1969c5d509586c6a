"""Hours and digests on the wall clock: laws over all zones, tables over changes of the clocks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.rules import Digest, Hours, Rule, RuleHours, Span, Window
from watcher.rules.routing import digest_due
from watcher.settings.calendar import EVERY_DAY

BERLIN = ZoneInfo("Europe/Berlin")  # +01:00 → +02:00 on 2026-03-29 at 02:00, back on 10-25 at 03:00
NEW_YORK = ZoneInfo("America/New_York")  # −05:00 → −04:00 on 2026-03-08, back on 11-01 at 02:00
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # +11:00 → +10:30 on 2026-04-05, back on 10-04 at 02:00
KOLKATA = ZoneInfo("Asia/Kolkata")  # +05:30, always
HAVANA = ZoneInfo("America/Havana")  # −05:00 → −04:00 at midnight of 2026-03-08, back on 11-01
ZONES = [BERLIN, NEW_YORK, LORD_HOWE, KOLKATA, HAVANA, ZoneInfo("UTC")]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def week_of(spans: Sequence[Span], zone: ZoneInfo) -> RuleHours:
    windows = [Window(days=one.days, between=((one.start, one.end),)) for one in spans]
    return RuleHours(windows=tuple(windows), timezone=zone)


def hours(span: tuple[int, int], zone: ZoneInfo, days: frozenset[int] = EVERY_DAY) -> RuleHours:
    return week_of([Span(days, span[0] * 60, span[1] * 60)], zone)


def digest(
    zone: ZoneInfo, every: timedelta | None = None, *at: time, days: str = "0123456"
) -> Digest:
    given = {"every": every, "at": at or None, "days": frozenset(map(int, days)), "timezone": zone}
    return Digest(**{key: value for key, value in given.items() if value is not None})


# Laws

INSTANTS = st.integers(0, 5 * 365 * 86_400).map(
    lambda seconds: utc("2025-01-01") + timedelta(seconds=seconds)
) | st.builds(
    lambda change, minutes: utc(change) + minutes * MINUTE,
    st.sampled_from(
        ["2026-03-29 01:00", "2026-10-25 01:00", "2026-03-08 07:00", "2026-11-01 06:00",
         "2026-04-04 15:00", "2026-10-03 15:30", "2026-03-08 05:00", "2026-11-01 05:00"]
    ),
    st.integers(-200, 200),
)  # fmt: skip
DAYS = st.frozensets(st.integers(0, 6), min_size=1)
SPANS = st.builds(
    lambda days, start, length: Span(days, start, start + length),
    DAYS,
    st.integers(0, 1439),
    st.integers(1, 1440),
)
WEEKS = st.builds(week_of, st.lists(SPANS, min_size=1, max_size=3), st.sampled_from(ZONES))
DIGESTS = st.builds(
    lambda every, at, zone, days: Digest.model_construct(
        every=every, at=tuple(sorted(at)), timezone=zone, days=days
    ),
    st.none() | st.sampled_from([1, 5, 15, 60, 90, 360, 1440]).map(lambda one: one * MINUTE),
    st.lists(st.times().map(lambda one: one.replace(second=0, microsecond=0)), min_size=1),
    st.sampled_from(ZONES),
    DAYS,
)


def shown(week: Hours, at: datetime) -> bool:
    """Read the clock on the wall, and look it up in the windows, in plain words."""
    local = at.astimezone(week.timezone)
    minute = local.hour * 60 + local.minute
    for window in week.spans:
        for days_ago in (0, 1):
            since = minute + days_ago * 1440
            begun = (local.weekday() - days_ago) % 7 in window.days
            if begun and window.start <= since < window.end:
                return True
    return False


@given(week=WEEKS, at=INSTANTS)
def test_hours_are_open_while_the_wall_clock_shows_a_time_within(week: Hours, at: datetime) -> None:
    assert week.open(at) is shown(week, at)


@given(week=WEEKS, at=INSTANTS)
@example(week=hours((2, 3), HAVANA), at=utc("2026-11-01 05:30"))
def test_the_next_opening_is_the_first_open_instant(week: Hours, at: datetime) -> None:
    opening = week.next_opening(at)
    assert opening >= at
    assert week.open(opening)
    assert (opening == at) is week.open(at)
    assert week.next_opening(opening) == opening
    if opening > at:
        assert not week.open(opening - timedelta(microseconds=1))
        # Nowhere in between is it open: windows and changes begin with whole minutes.
        between = [at + step * (opening - at) / 50 for step in range(50)]
        minutes = [at.replace(second=0, microsecond=0) + step * MINUTE for step in range(1, 180)]
        assert not any(week.open(one) for one in (*between, *minutes) if at <= one < opening)


@given(one=DIGESTS, at=INSTANTS)
def test_a_boundary_is_later_than_the_event_and_the_same_for_all_before_it(
    one: Digest, at: datetime
) -> None:
    due = one.boundary(at)
    assert due > at
    assert one.boundary(due - timedelta(microseconds=1)) == due
    assert one.boundary(at + (due - at) / 2) == due
    assert one.boundary(due) > due
    assert due.astimezone(one.timezone).weekday() in one.days
    assert due.second == due.microsecond == 0


@given(one=DIGESTS, at=INSTANTS)
def test_boundaries_come_within_the_interval_but_for_a_change_of_clocks(
    one: Digest, at: datetime
) -> None:
    if one.every is None or one.days != EVERY_DAY:
        one = Digest(every=HOUR, timezone=one.timezone)
    assert one.every is not None
    assert one.boundary(at) - at <= one.every + HOUR
    if one.every <= HOUR / 2:
        assert one.boundary(at) - at <= one.every


@given(one=DIGESTS, week=WEEKS, at=INSTANTS)
def test_a_digest_that_is_held_goes_out_within_the_hours(
    one: Digest, week: Hours, at: datetime
) -> None:
    rule = Rule(name="r", when="*", notify="team", digest=one, hours=week)
    due = digest_due(rule, one, at)
    assert week.open(due)
    assert due == week.next_opening(one.boundary(at))


# Tables: hours


@pytest.mark.parametrize(
    ("week", "at", "opening"),
    [
        # 02:00 to 03:00 does not exist on the day of the change in spring.
        (hours((2, 3), BERLIN), "2026-03-28 12:00", "2026-03-30 00:00"),
        (hours((2, 4), BERLIN), "2026-03-28 12:00", "2026-03-29 01:00"),
        (week_of([Span(EVERY_DAY, 150, 240)], BERLIN), "2026-03-28 12:00", "2026-03-29 01:00"),
        # In autumn 02:00 to 03:00 comes twice, and what is open then opens twice.
        (hours((2, 3), BERLIN), "2026-10-24 12:00", "2026-10-25 00:00"),
        (week_of([Span(EVERY_DAY, 120, 150)], BERLIN), "2026-10-25 00:30", "2026-10-25 01:00"),
        (week_of([Span(EVERY_DAY, 60, 150)], BERLIN), "2026-10-25 00:45", "2026-10-25 01:00"),
        (hours((9, 18), BERLIN), "2026-10-24 16:00", "2026-10-25 08:00"),
        (hours((9, 18), BERLIN), "2026-03-28 17:00", "2026-03-29 07:00"),
        (hours((9, 18), BERLIN, frozenset(range(5))), "2026-11-20 17:00", "2026-11-23 08:00"),
        # Over midnight: the night of Friday reaches into Saturday.
        (hours((22, 30), BERLIN, frozenset({4})), "2026-11-21 03:00", "2026-11-21 03:00"),
        (hours((22, 30), BERLIN, frozenset({4})), "2026-11-21 05:00", "2026-11-27 21:00"),
        (hours((2, 3), NEW_YORK), "2026-03-08 06:59", "2026-03-09 06:00"),
        (hours((1, 2), NEW_YORK), "2026-11-01 04:00", "2026-11-01 05:00"),
        (week_of([Span(EVERY_DAY, 60, 90)], NEW_YORK), "2026-11-01 05:30", "2026-11-01 06:00"),
        # Half an hour only: 02:00 to 02:30 is left out in October, 01:30 to 02:00 comes twice in April.
        (week_of([Span(EVERY_DAY, 120, 150)], LORD_HOWE), "2026-10-03 15:00", "2026-10-04 15:00"),
        (week_of([Span(EVERY_DAY, 135, 180)], LORD_HOWE), "2026-10-03 15:00", "2026-10-03 15:30"),
        (week_of([Span(EVERY_DAY, 90, 105)], LORD_HOWE), "2026-04-04 14:45", "2026-04-04 15:00"),
        (hours((9, 18), KOLKATA), "2026-03-29 13:00", "2026-03-30 03:30"),
        # The clock jumps over midnight itself.
        (hours((0, 2), HAVANA), "2026-03-08 04:00", "2026-03-08 05:00"),
        (hours((0, 1), HAVANA), "2026-03-08 04:00", "2026-03-09 04:00"),
        (week_of([Span(EVERY_DAY, 0, 30)], HAVANA), "2026-11-01 04:30", "2026-11-01 05:00"),
    ],
)  # fmt: skip
def test_when_hours_open_next(week: Hours, at: str, opening: str) -> None:
    assert week.next_opening(utc(at)) == utc(opening)


@pytest.mark.parametrize(
    ("week", "day", "minutes"),
    [
        (hours((0, 24), BERLIN), "2026-03-29", 23 * 60),
        (hours((0, 24), BERLIN), "2026-10-25", 25 * 60),
        (hours((1, 5), BERLIN), "2026-03-29", 3 * 60),
        (hours((1, 5), BERLIN), "2026-10-25", 5 * 60),
        (hours((1, 5), NEW_YORK), "2026-03-08", 3 * 60),
        (hours((1, 5), NEW_YORK), "2026-11-01", 5 * 60),
        (hours((1, 5), LORD_HOWE), "2026-10-04", 210),
        (hours((1, 5), LORD_HOWE), "2026-04-05", 270),
        (hours((1, 5), KOLKATA), "2026-03-29", 240),
    ],
)
def test_how_long_hours_are_open_on_the_day_of_a_change(
    week: Hours, day: str, minutes: int
) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=week.timezone).astimezone(UTC)
    local = [midnight + step * MINUTE for step in range(26 * 60)]
    date = datetime.fromisoformat(day).date()
    assert (
        sum(week.open(at) for at in local if at.astimezone(week.timezone).date() == date) == minutes
    )


# Tables: digests


@pytest.mark.parametrize(
    ("one", "at", "due"),
    [
        (digest(BERLIN, 15 * MINUTE), "2026-11-20 10:07", "2026-11-20 10:15"),
        (digest(KOLKATA, HOUR), "2026-11-20 10:07", "2026-11-20 10:30"),
        (digest(BERLIN, DAY), "2026-11-20 10:07", "2026-11-20 23:00"),
        # Spring: 02:00 to 03:00 is left out; an hour's boundary comes with the change.
        (digest(BERLIN, HOUR), "2026-03-29 00:10", "2026-03-29 01:00"),
        (digest(BERLIN, HOUR), "2026-03-29 01:00", "2026-03-29 02:00"),
        (digest(BERLIN, None, time(2, 30)), "2026-03-29 00:10", "2026-03-29 01:00"),
        (digest(BERLIN, None, time(2, 30)), "2026-03-29 01:00", "2026-03-30 00:30"),
        # Autumn: 02:00 to 03:00 comes twice; a time of day counts once, the first time.
        (digest(BERLIN, HOUR), "2026-10-25 00:10", "2026-10-25 01:00"),
        (digest(BERLIN, HOUR), "2026-10-25 01:00", "2026-10-25 02:00"),
        (digest(BERLIN, 15 * MINUTE), "2026-10-25 01:05", "2026-10-25 01:15"),
        (digest(BERLIN, None, time(2, 30)), "2026-10-24 12:00", "2026-10-25 00:30"),
        (digest(BERLIN, None, time(2, 30)), "2026-10-25 00:30", "2026-10-26 01:30"),
        (digest(BERLIN, 6 * HOUR), "2026-10-24 22:30", "2026-10-25 05:00"),
        (digest(BERLIN, 6 * HOUR), "2026-03-28 23:30", "2026-03-29 04:00"),
        (digest(NEW_YORK, None, time(1, 30)), "2026-11-01 05:30", "2026-11-02 06:30"),
        (digest(NEW_YORK, 30 * MINUTE), "2026-11-01 05:30", "2026-11-01 06:00"),
        (digest(LORD_HOWE, 15 * MINUTE), "2026-04-04 14:50", "2026-04-04 15:00"),
        (digest(LORD_HOWE, HOUR), "2026-10-03 15:10", "2026-10-03 15:30"),
        (digest(LORD_HOWE, None, time(2, 10)), "2026-10-03 12:00", "2026-10-03 15:30"),
        # Midnight comes twice, or not at all, and is one boundary all the same.
        (digest(HAVANA, DAY), "2026-11-01 03:30", "2026-11-01 04:00"),
        (digest(HAVANA, DAY), "2026-11-01 04:30", "2026-11-02 05:00"),
        (digest(HAVANA, DAY), "2026-03-08 04:30", "2026-03-08 05:00"),
        # Weekly.
        (digest(BERLIN, None, time(8), days="0"), "2026-11-20 10:07", "2026-11-23 07:00"),
        (digest(BERLIN, None, time(8), days="0"), "2026-03-23 07:00", "2026-03-30 06:00"),
        (digest(BERLIN, HOUR, days="01234"), "2026-11-20 22:10", "2026-11-22 23:00"),
    ],
)
def test_when_a_digest_goes_out(one: Digest, at: str, due: str) -> None:
    assert one.boundary(utc(at)) == utc(due)


def test_hours_that_a_change_leaves_out_altogether_open_a_week_later() -> None:
    sunday = hours((2, 3), BERLIN, frozenset({6}))
    assert sunday.next_opening(utc("2026-03-28 12:00")) == utc("2026-04-05 00:00")
    weekly = digest(BERLIN, None, time(2, 30), days="6")
    assert weekly.boundary(utc("2026-03-29 01:00")) == utc("2026-04-05 00:30")
