"""What failures of a source mean: when one is reported, when it is over, how long the pause is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.errors import (
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    WalkExpired,
)
from watcher.pipeline.health import (
    LONGEST_WISH,
    SCHEMA,
    SLOWEST_RETRY,
    Reaction,
    Step,
    after_failure,
    after_success,
    check_may_pass,
    concern,
    judge_schema,
)
from watcher.pipeline.schema_drift import MISSING
from watcher.records import SourceState, Trouble

DOWN = SourceUnavailable("503 Service Unavailable")
NO_WAY = SourceUnavailable("no route to host", connect=True)
LIMITED = SourceUnavailable("429 Too Many Requests", retry_after=90)
REFUSED = SourceRefused("401 Unauthorized", "renew the token")
CHANGED = SourceChanged("not JSON")
EXPIRED = WalkExpired("the token of this walk is too old")

STATE = SourceState("sales", "chatwoot", "acc", baselined=T0)
DOWN_BEFORE = Trouble(T0, "503 Service Unavailable")
DRIFT = Trouble(T0, f"{SCHEMA}no row has labels any more; the old values stand")
NOW = T0 + timedelta(hours=1)


def react(error: SourceError = DOWN, failures: int = 1, **more: Any) -> Reaction:
    failing = more.pop("failing", None)
    state = SourceState("sales", "chatwoot", "acc", baselined=T0, failing=failing)
    given = {"poll_every": 30.0, "network_failing": False, "renewed": False, "now": NOW} | more
    return after_failure(given.pop("step", "poll"), error, failures, state, **given)


def kinds(reaction: Reaction) -> list[str]:
    return [report.kind for report in reaction.reports]


@pytest.mark.parametrize(
    ("case", "error", "failures", "more", "told"),
    [
        ("a single failure passes by itself", DOWN, 1, {}, []),
        ("so may a second", DOWN, 2, {}, []),
        ("the third in a row is reported", DOWN, 3, {}, ["failing"]),
        ("the fourth is, where the third was not", DOWN, 4, {}, ["failing"]),
        ("a page of another shape counts alike", CHANGED, 3, {}, ["failing"]),
        ("a refusal is reported at once", REFUSED, 1, {}, ["failing"]),
        ("unless other credentials were found", REFUSED, 1, {"renewed": True}, []),
        ("what is reported is not reported again", DOWN, 9, {"failing": DOWN_BEFORE}, []),
        ("nor by another error", REFUSED, 9, {"failing": DOWN_BEFORE}, []),
        (
            "an outage takes the place of a changed API",
            DOWN, 3, {"failing": DRIFT}, ["recovered", "failing"],
        ),
        ("our own network is reported for all sources", NO_WAY, 9, {"network_failing": True}, []),
        ("one host that is down is not our network", NO_WAY, 3, {}, ["failing"]),
        ("an answer was none of our network", DOWN, 3, {"network_failing": True}, ["failing"]),
        ("look-ups of one row are not the source", DOWN, 9, {"step": "look_up"}, []),
        ("look-ups that are refused are", REFUSED, 1, {"step": "look_up"}, ["failing"]),
    ],
)  # fmt: skip
def test_what_is_reported(
    case: str, error: SourceError, failures: int, more: dict[str, Any], told: list[str]
) -> None:
    reaction = react(error, failures, **more)
    assert kinds(reaction) == told, case
    if "failing" in told:
        last = reaction.reports[-1]
        assert (last.reason, last.remedy, last.since) == (error.reason, error.remedy, NOW)
        assert last.changes == {"failing": Trouble(NOW, error.reason, error.remedy)}
    if "recovered" in told:
        first = reaction.reports[0]
        assert (first.since, first.extra) == (DRIFT.since, {"outcome": "replaced"})
        assert first.changes == {"failing": None}


@pytest.mark.parametrize(
    ("case", "step", "error", "everything"),
    [
        ("one page fails, polls go on", "sweep", DOWN, False),
        ("no connection concerns every request", "sweep", NO_WAY, True),
        ("so does a limit", "sweep", LIMITED, True),
        ("so does a refusal", "poll", REFUSED, True),
        ("a poll that fails lets the sweep go on", "poll", DOWN, False),
        ("nothing goes before the check", "check", DOWN, True),
        ("one row's trouble", "look_up", DOWN, False),
        ("the walk's token is too old", "sweep", EXPIRED, False),
    ],
)
def test_who_pauses(case: str, step: Step, error: SourceError, everything: bool) -> None:
    assert react(error, step=step).everything is everything, case


@pytest.mark.parametrize(
    ("case", "error", "failures", "poll_every", "least", "most"),
    [
        ("the first retry is quick", DOWN, 1, 30.0, 4.5, 5.5),
        ("of a fast poll as quick as the poll", DOWN, 1, 1.0, 0.9, 1.1),
        ("each one waits twice as long", DOWN, 3, 30.0, 18.0, 22.0),
        ("up to two polls", DOWN, 30, 60.0, 108.0, 132.0),
        ("or half a minute", DOWN, 30, 1.0, 27.0, 33.0),
        ("five minutes at most", DOWN, 99, 3600.0, 270.0, 330.0),
        ("a refusal waits for a person", REFUSED, 1, 30.0, 270.0, 330.0),
        ("of a fast poll a quarter of a minute", REFUSED, 1, 1.0, 13.5, 16.5),
        ("the provider's wish counts", LIMITED, 1, 30.0, 90.0, 108.0),
        ("up to an hour", SourceUnavailable("", retry_after=1e9), 1, 30.0, 3600.0, 4320.0),
        ("a wish for nothing is a little", SourceUnavailable("", retry_after=0), 1, 30.0, 0.1, 0.2),
    ],
)
def test_how_long_the_pause_is(
    case: str, error: SourceError, failures: int, poll_every: float, least: float, most: float
) -> None:
    assert least <= react(error, failures, poll_every=poll_every).pause <= most, case


def test_a_look_up_that_fails_is_tried_again_soon_however_often() -> None:
    assert react(step="look_up", failures=0) == Reaction(5.0)


def test_renewed_credentials_are_tried_at_once() -> None:
    assert react(REFUSED, renewed=True) == Reaction(0.0, everything=True, poll_within=0.0)


def test_a_poll_that_failed_comes_back_before_its_time_a_sweep_does_not_hurry_it() -> None:
    assert react(DOWN, step="poll").poll_within == 30.0
    assert react(LIMITED, step="poll").poll_within == pytest.approx(99, abs=9.1)
    assert react(DOWN, step="sweep").poll_within is None


errors = st.sampled_from([DOWN, NO_WAY, LIMITED, REFUSED, CHANGED, EXPIRED])


@given(errors, st.integers(1, 10_000), st.floats(1.0, 86_400.0))
def test_a_pause_is_positive_bounded_and_the_same_each_time(
    error: SourceError, failures: int, poll_every: float
) -> None:
    reaction = react(error, failures, poll_every=poll_every)
    assert 0.0 < reaction.pause <= 1.2 * max(SLOWEST_RETRY, LONGEST_WISH)
    assert reaction == react(error, failures, poll_every=poll_every)
    if isinstance(error, SourceUnavailable) and error.retry_after:
        assert reaction.pause >= error.retry_after


@given(st.lists(st.one_of(errors, st.none()), max_size=40))
def test_failing_and_recovered_alternate(attempts: list[SourceError | None]) -> None:
    failures, failing, told = 0, None, []
    for error in attempts:
        if error is None:
            failures = 0
            report = after_success(failing, others_fail=False)
            reports = (report,) if report else ()
        else:
            failures += 1
            reports = react(error, failures, failing=failing).reports
        for one in reports:
            told.append(one.kind)
            failing = one.changes["failing"]
    assert told == [("failing", "recovered")[number % 2] for number in range(len(told))]
    assert (failing is not None) == (len(told) % 2 == 1)


@pytest.mark.parametrize(
    ("case", "failing", "others_fail", "over"),
    [
        ("all is well", None, False, False),
        ("it works again", DOWN_BEFORE, False, True),
        ("sweeps still fail", DOWN_BEFORE, True, False),
        ("a request that succeeds shows no key", DRIFT, False, False),
    ],
)
def test_when_it_is_over(case: str, failing: Trouble | None, others_fail: bool, over: bool) -> None:
    assert (after_success(failing, others_fail=others_fail) is not None) is over, case


@pytest.mark.parametrize(
    ("step", "error", "counts_for"),
    [
        ("poll", DOWN, "poll"),
        ("sweep", EXPIRED, "sweep"),
        ("check", REFUSED, "check"),
        ("look_up", DOWN, None),
        ("look_up", CHANGED, None),
        ("look_up", REFUSED, "sweep"),
        ("look_up", NO_WAY, "sweep"),
    ],
)
def test_what_a_failure_counts_for(step: Step, error: SourceError, counts_for: str | None) -> None:
    assert concern(step, error) == counts_for


@pytest.mark.parametrize(
    ("error", "failures", "passes"),
    [
        (DOWN, 1, False),
        (DOWN, 3, True),
        (CHANGED, 3, True),
        (REFUSED, 9, False),
        (NO_WAY, 9, False),
    ],
)
def test_a_check_that_cannot_be_read_does_not_keep_the_walks_waiting(
    error: SourceError, failures: int, passes: bool
) -> None:
    assert check_may_pass(error, failures) is passes


KEYS = frozenset({"labels"})
NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("case", "state", "missing", "vanished", "whole", "told"),
    [
        ("no key is missing", {}, NOTHING, NOTHING, True, None),
        ("no row has a key any more", {}, KEYS, NOTHING, True, "failing"),
        ("no row of a poll has", {}, KEYS, NOTHING, False, "failing"),
        ("values went away with their key", {}, NOTHING, KEYS, False, "failing"),
        ("it never had", {"learned": {MISSING: ["labels"]}}, KEYS, NOTHING, True, None),
        ("there is no baseline yet", {"baselined": None}, KEYS, NOTHING, True, None),
        ("it is reported already", {"failing": DRIFT}, KEYS, NOTHING, True, None),
        ("the source fails anyway", {"failing": DOWN_BEFORE}, KEYS, NOTHING, True, None),
        ("a sweep has them all again", {"failing": DRIFT}, NOTHING, NOTHING, True, "recovered"),
        ("a poll is no proof of that", {"failing": DRIFT}, NOTHING, NOTHING, False, None),
        ("an outage is not over by that", {"failing": DOWN_BEFORE}, NOTHING, NOTHING, True, None),
    ],
)
def test_keys_that_vanish_are_reported_once_and_until_they_are_back(
    case: str,
    state: dict[str, Any],
    missing: frozenset[str],
    vanished: frozenset[str],
    whole: bool,
    told: str | None,
) -> None:
    before = SourceState("sales", "chatwoot", "acc", **{"baselined": T0, **state})
    report = judge_schema(before, missing, vanished, whole=whole, now=NOW)
    assert (report.kind if report else None) == told, case
    if report is not None and told == "failing":
        assert report.reason.startswith(SCHEMA)
        assert "labels" in report.reason
