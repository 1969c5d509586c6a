"""Local times in conditions: `local`, and CEL's time functions with a zone."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import MARIA, conversation_event
from watcher.conditions import (
    EvaluationError,
    ExpressionError,
    compile_condition,
    compile_conditions,
    compile_expression,
    context,
)
from watcher.model import Event

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def event(at: datetime) -> Event:
    return dataclasses.replace(conversation_event(observed={"before": at.isoformat()}), time=at)


NOON = "2026-11-29T12:00:00Z"
LATE = event(datetime(2026, 11, 29, 23, 30, 15, tzinfo=UTC))
"""A Sunday in UTC; in Berlin it is Monday, half past midnight."""


@pytest.mark.parametrize(
    ("source", "utc", "berlin"),
    [
        ("local.hour == 0", False, True),
        ("local.hour >= 22 || local.hour < 7", True, True),
        ("local.minute == 30", True, True),
        ('local.weekday in ["sat", "sun"]', True, False),
        ('local.weekday == "mon"', False, True),
        ('local.date == "2026-11-30"', False, True),
        ("!(local.hour < 9) && conversation.unread", True, False),
        ('timestamp(observed.before).getHours("Europe/Berlin") == 0', True, True),
        ('timestamp(observed.before).getHours("+05:30") == 5', True, True),
        ('timestamp(observed.before).getDayOfWeek("Europe/Berlin") == 1', True, True),
        ("timestamp(observed.before).getHours() == 23", True, True),
    ],
)
def test_the_time_is_that_of_the_configurations_zone(source: str, utc: bool, berlin: bool) -> None:
    known = context(LATE)
    assert compile_condition(source).holds(known) is utc
    assert compile_condition(source, zone=BERLIN).holds(known) is berlin
    assert compile_condition(source).holds(known) is utc, "zones do not get into each other's way"


def test_conditions_by_name_and_groups_know_it_too() -> None:
    named, wrong = compile_conditions(
        {"night": "local.hour < 7", "quiet": "conditions.night"}, zone=BERLIN
    )
    assert not wrong
    assert compile_condition("conditions.quiet", named, zone=BERLIN).holds(context(LATE))
    assert compile_expression("local.date", zone=BERLIN).key(context(LATE)) == '"2026-11-30"'


def test_the_reason_shows_the_local_value() -> None:
    outcome = compile_condition("local.hour < 7", zone=BERLIN).explain(context(LATE))
    assert outcome.because == "`local.hour < 7` is true (local.hour = 0)"


def test_what_speaks_of_the_moment_cannot_lapse() -> None:
    assert not compile_condition("local.hour < 7").lasts


@pytest.mark.parametrize(
    ("source", "message", "meant"),
    [
        ("local.hours == 3", "local has no field 'hours'", "local.hour"),
        ("locl.hour == 3", "unknown name 'locl'", "local"),
        ('local.weekday == "Monday"', "local.weekday is never 'Monday'", None),
        ("local.weekday == 1", "compares a text with a number", None),
        ('timestamp(observed.before).getHours("Europe/Berlim") == 3',
         "there is no time zone 'Europe/Berlim'", '"Europe/Berlin"'),
        ('timestamp(observed.before).getHours(2) == 3', "in .getHours()", None),
        ('timestamp(observed.before).getHours("UTC", "UTC") == 3', "takes", None),
        ('duration("1h").getHours("UTC") == 3', "before .getHours() with a zone", None),
        ('conversation.channel.matches("a", "b")', "takes one argument", None),
    ],
)  # fmt: skip
def test_what_cannot_be_is_an_error(source: str, message: str, meant: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(source)
    assert message in caught.value.message
    if meant is not None:
        assert caught.value.suggestion == meant


def test_a_zone_that_is_known_only_at_run_time_may_be_wrong_there() -> None:
    odd = compile_condition(
        "timestamp(observed.before).getHours(conversation.attributes.zone) == 3"
    )
    elsewhere = dataclasses.replace(MARIA, attributes={"zone": "Mars"})
    with pytest.raises(EvaluationError, match="there is no time zone 'Mars'"):
        odd.holds(context(conversation_event(conversation=elsewhere, observed={"before": NOON})))


_FUNCTIONS = (
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours",
    "getMinutes", "getSeconds", "getMilliseconds",
)  # fmt: skip


INSTANTS = st.integers(31_536_000_000, 4_102_444_800_000).map(
    lambda millis: datetime.fromtimestamp(millis / 1000, UTC)
)


@given(
    at=INSTANTS,
    name=st.sampled_from(_FUNCTIONS),
)
def test_in_utc_our_functions_say_what_the_library_says(at: datetime, name: str) -> None:
    stamp = "timestamp(observed.before)"
    same = compile_condition(f'{stamp}.{name}("UTC") == {stamp}.{name}()')
    assert same.holds(context(event(at)))


@given(
    at=INSTANTS,
    zone=st.sampled_from([BERLIN, NEW_YORK, ZoneInfo("Asia/Kolkata")]),
)
def test_local_is_what_a_clock_there_shows(at: datetime, zone: ZoneInfo) -> None:
    there = at.astimezone(zone)
    source = (
        f"local.hour == {there.hour} && local.minute == {there.minute}"
        f' && local.date == "{there:%Y-%m-%d}"'
    )
    assert compile_condition(source, zone=zone).holds(context(event(at)))
