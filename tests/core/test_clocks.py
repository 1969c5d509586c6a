"""What is told of a provider's clock: by its server, by rows that moved, by a `Date` (perhaps a proxy's)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.core.strategies import T0
from watcher.pipeline.clocks import ClockEvidence, describe_skew
from watcher.providers import Page, Response
from watcher.records import Skew

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def answer(date: datetime | None = None) -> Response:
    return Response(200, b"", {}, T0, T0 + timedelta(seconds=2), date)


def heard(*, clock: timedelta | None = None, date: timedelta | None = None) -> ClockEvidence:
    found = ClockEvidence()
    at = None if date is None else T0 + date
    found.hear(Page(clock=None if clock is None else T0 + clock), answer(at))
    return found


@pytest.mark.parametrize(
    ("case", "evidence", "skew"),
    [
        ("nothing tells", heard(), None),
        ("a right date", heard(date=timedelta(seconds=1)), Skew(0.0, "date")),
        ("a date a day behind", heard(date=-DAY), Skew(1.0 - 86_400, "date")),
        ("a date a day ahead", heard(date=DAY), Skew(86_400 - 2.0, "date")),
        ("a server that a proxy contradicts", heard(clock=-DAY, date=DAY), Skew(1.0 - 86_400, "server")),
        ("a right server", heard(clock=timedelta(0), date=DAY), Skew(0.0, "server")),
    ],
)  # fmt: skip
def test_what_answers_tell(case: str, evidence: ClockEvidence, skew: Skew | None) -> None:
    assert evidence.skew == skew, case


@pytest.mark.parametrize("off", [-DAY, -10 * MINUTE, 10 * MINUTE, DAY], ids=str)
@pytest.mark.parametrize("proxy", [None, timedelta(0)])
def test_three_rows_that_moved_between_two_looks_show_a_clock(
    off: timedelta, proxy: timedelta | None
) -> None:
    found = heard(date=proxy)
    before = found.skew
    for number in range(3):
        assert found.skew == before, "one or two rows may have nonsense dates"
        after = T0 + number * MINUTE
        found.see_moved(after + off + timedelta(seconds=20), after, after + timedelta(seconds=30))
    assert found.skew is not None
    assert found.skew.told_by == "rows"
    assert abs(found.skew.seconds - off.total_seconds()) <= 30


def test_rows_that_do_not_agree_or_are_seldom_looked_at_show_nothing() -> None:
    found = ClockEvidence()
    for number, off in enumerate((-DAY, timedelta(0), DAY)):
        after = T0 + number * MINUTE
        found.see_moved(after + off, after, after + MINUTE)
    assert found.skew is None
    for _ in range(3):
        found.see_moved(T0 - 5 * DAY, T0 - DAY, T0)
    assert found.skew is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (60.0, ""),
        (-60.0, ""),
        (61.0, "ahead of this machine's (its server says so)"),
        (-61.0, "behind this machine's (its server says so)"),
    ],
)
def test_more_than_a_minute_is_told(seconds: float, words: str) -> None:
    told = describe_skew(Skew(seconds, "server"), "1m")
    assert words in told
    assert bool(told) == bool(words)
