"""What a sweep that has ended proves: tables of baselines, holes, holds, suspects and watermarks."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.pipeline import SourcePolicy, SourceReport, decide_hold
from watcher.pipeline.announce import Effect
from watcher.pipeline.schema_drift import MISSING
from watcher.pipeline.sweep import (
    LOOK_BEHIND,
    LOOK_UPS,
    Comparison,
    Conclusion,
    LookUpList,
    SweepSummary,
    after_asking,
    after_look_up,
    compare,
    conclude,
    may_come_in,
)
from watcher.records import Hold, SourceState

POLICY = SourcePolicy("sales", "chatwoot", "acc", ())
STARTED = T0 + timedelta(minutes=59)
BEGAN = T0 + timedelta(minutes=58)
NOW = T0 + timedelta(hours=1)
NEW = SourceState("sales", "chatwoot", "acc")
STATE = dataclasses.replace(NEW, baselined=T0, baseline_started=T0, polled=T0, swept=T0)

SKIPPED = {"skipped": 1}
UNREADABLE = {"unusable": 1}
CUT = {"cut": True}
AGAIN = {"incomplete_before": 1}


def ids(count: int, start: int = 0) -> frozenset[str]:
    return frozenset(f"c{number}" for number in range(start, start + count))


def hold(held: frozenset[str] = ids(2), kind: str = "absences") -> Hold:
    return Hold(kind, T0, tuple(sorted(held)), 100, "why", "do")  # type: ignore[arg-type]


def sweep(seen: frozenset[str] = ids(3), **more: Any) -> SweepSummary:
    return SweepSummary(BEGAN, STARTED, seen, **more)


def shown(summary: SweepSummary, state: SourceState = STATE, known: int = 100) -> Conclusion:
    return conclude(summary, state, POLICY, known=known, now=NOW)


def lacked(
    missing: frozenset[str],
    *,
    present: int = 100,
    state: SourceState = STATE,
    compares: bool = True,
    found: frozenset[str] = frozenset(),
    lacked: dict[str, int] | None = None,
    seen: frozenset[str] = frozenset(),
    **more: Any,
) -> Comparison:
    known = ids(present)
    return compare(
        sweep(known - missing, **more), state, POLICY,
        present=known, compares=compares, found_by_lookup=found, lacked=lacked,
        seen_meanwhile=seen, now=NOW,
    )  # fmt: skip


def names(effects: tuple[Effect, ...]) -> list[str]:
    """Return the kinds of the reports; of an update that is stored at once or later."""
    return [
        effect.kind if isinstance(effect, SourceReport) else "save!" if effect.force else "save"
        for effect in effects
    ]


def after(effects: tuple[Effect, ...], state: SourceState = STATE) -> SourceState:
    """Return the state that the effects leave."""
    for effect in effects:
        state = dataclasses.replace(state, **effect.changes)
    return state


def report(effects: tuple[Effect, ...], kind: str) -> SourceReport:
    (found,) = (e for e in effects if isinstance(e, SourceReport) and e.kind == kind)
    return found


# -- the first sweep --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "summary", "empty_sweeps", "outcome", "effects"),
    [
        ("a whole sweep is the baseline", sweep(), 0, "baseline", ["baselined"]),
        ("an empty inbox must be seen twice", sweep(ids(0)), 0, "repeat", ["save!"]),
        ("then it is the baseline", sweep(ids(0)), 1, "baseline", ["baselined"]),
        ("a skipped page: again", sweep(**SKIPPED), 0, "repeat", []),
        ("a row that cannot be read: again", sweep(**UNREADABLE), 0, "repeat", []),
        ("a walk that was cut: again", sweep(**CUT), 0, "repeat", []),
        (
            "a hole that stays keeps nobody waiting",
            sweep(**SKIPPED, **AGAIN), 0, "baseline", ["baselined", "held"],
        ),
        (
            "not even where nothing could be read",
            sweep(ids(0), **UNREADABLE, **AGAIN), 0, "baseline", ["baselined", "held"],
        ),
        ("holes before count no more", sweep(**AGAIN), 0, "baseline", ["baselined"]),
    ],
)  # fmt: skip
def test_is_it_the_baseline(
    case: str, summary: SweepSummary, empty_sweeps: int, outcome: str, effects: list[str]
) -> None:
    state = dataclasses.replace(NEW, empty_sweeps=empty_sweeps)
    concluded = shown(summary, state)
    assert (concluded.outcome, names(concluded.effects)) == (outcome, effects), case
    assert not concluded.admit
    left = after(concluded.effects, state)
    assert (left.baselined == NOW) == (outcome == "baseline")
    assert left.empty_sweeps == int(effects == ["save!"])


def test_the_baseline_remembers_when_it_began_and_which_keys_it_never_had() -> None:
    summary = sweep(newest=T0, missing=frozenset({"labels", "assignee"}))
    state = dataclasses.replace(NEW, learned={"limit": 20})
    left = after(shown(summary, state).effects, state)
    assert (left.baseline_started, left.polled, left.swept) == (STARTED, BEGAN, BEGAN)
    assert left.newest == T0
    assert left.learned == {"limit": 20, MISSING: ["assignee", "labels"]}


# -- holes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "more", "held", "effects"),
    [
        ("one page failed once", SKIPPED, None, ["save"]),
        ("it fails again", SKIPPED | AGAIN, None, ["held", "save"]),
        ("a row stays unreadable", UNREADABLE | AGAIN, None, ["held", "save"]),
        ("the provider cuts every walk", CUT | AGAIN, None, ["held", "save"]),
        ("it counts more rows than we know", CUT | AGAIN | {"total": 101}, None, ["held", "save"]),
        ("rows only move past the walk", CUT | AGAIN | {"total": 100}, None, ["save"]),
        ("and one of them is gone", CUT | AGAIN | {"total": 99}, None, ["save"]),
        ("a page that fails is one", SKIPPED | AGAIN | {"total": 99}, None, ["held", "save"]),
        ("it is reported already", SKIPPED | AGAIN, hold(ids(0), "hole"), ["save"]),
        ("something else is held", SKIPPED | AGAIN, hold(), ["save"]),
        ("everything could be read again", {}, hold(ids(0), "hole"), ["released"]),
        ("what else is held is not mended by that", {}, hold(), []),
    ],
)
def test_is_a_hole_reported(
    case: str, more: dict[str, Any], held: Hold | None, effects: list[str]
) -> None:
    concluded = shown(sweep(**more), dataclasses.replace(STATE, hold=held))
    assert names(concluded.effects) == effects, case
    if "held" in effects:
        new = report(concluded.effects, "held").changes["hold"]
        assert (new.kind, new.ids, new.known) == ("hole", (), 3)
    if "released" in effects:
        assert report(concluded.effects, "released").extra == {"outcome": "mended"}


@pytest.mark.parametrize(
    ("case", "missing", "held", "looked_up"),
    [
        ("rows behind the hole", 3, "hole", 3),
        ("none are hidden", 0, "hole", 0),
        ("some of them, where they are many", LOOK_BEHIND + 20, "hole", LOOK_BEHIND),
        ("as many as may be", LOOK_BEHIND, "hole", LOOK_BEHIND),
        ("there is no hole yet", 3, None, 0),
        ("absences are held", 3, "absences", 0),
    ],
)
def test_rows_behind_a_hole_that_stays_are_looked_up_one_by_one(
    case: str, missing: int, held: str | None, looked_up: int
) -> None:
    state = dataclasses.replace(STATE, hold=hold(ids(0), held) if held else None)
    found = lacked(ids(missing), present=200, state=state, **SKIPPED, **AGAIN)
    chosen = tuple(sorted(ids(missing)))[:looked_up]
    assert found.look_ups == (LookUpList(chosen, proof_only=True) if chosen else None), case


# -- what a sweep lacked that was not whole ---------------------------------------------------

FELL = {"total": 99}
"""The list counts fewer rows than the hundred that are known."""


@pytest.mark.parametrize(
    ("case", "missing", "lacked_before", "more", "looked_up"),
    [
        ("rows moved past the walk, and the count has not fallen", 3, 0, {**CUT, "total": 100}, 0),
        ("no count is given", 3, 0, CUT, 0),
        ("the count fell", 3, 0, {**CUT, **FELL}, 3),
        ("so it does where a page was skipped", 3, 0, {**SKIPPED, **FELL}, 3),
        ("and where a row cannot be read", 3, 0, {**UNREADABLE, **FELL}, 3),
        ("a second sweep lacks them", 3, 1, CUT, 3),
        ("the count has not fallen, and a second sweep lacks them", 3, 1, {**CUT, "total": 105}, 3),
        ("a crowd is the listing's fault", 21, 0, {**CUT, **FELL}, 0),
        ("unless it is lacked again: some at a time", 21, 1, {**CUT, **FELL}, LOOK_UPS),
        ("as many as may be", LOOK_UPS, 0, {**CUT, **FELL}, LOOK_UPS),
        ("a listing that shows nothing", 100, 5, {**CUT, "total": 0}, 0),
    ],
)  # fmt: skip
def test_what_a_sweep_lacked_that_was_not_whole_is_looked_up_some_at_a_time(
    case: str, missing: int, lacked_before: int, more: dict[str, Any], looked_up: int
) -> None:
    before = dict.fromkeys(ids(missing), lacked_before)
    found = lacked(ids(missing), lacked=before, **more)
    chosen = tuple(sorted(ids(missing)))[:looked_up]
    assert found.look_ups == (LookUpList(chosen, proof_only=True) if chosen else None), case
    assert found.lacked == dict.fromkeys(ids(missing), lacked_before + 1)
    left = after(found.effects)
    assert (left.suspects, left.hold) == ((), None)


def test_where_the_order_moves_a_lasting_hole_is_no_page_that_fails() -> None:
    """The walk is cut again and again: few are asked for, and only after a second sweep."""
    state = dataclasses.replace(STATE, hold=hold(ids(0), "hole"))
    assert lacked(ids(30), state=state, **CUT, **AGAIN).look_ups is None
    found = lacked(ids(30), state=state, lacked=dict.fromkeys(ids(30), 1), **CUT, **AGAIN)
    assert found.look_ups is not None
    assert len(found.look_ups.ids) == LOOK_UPS


def test_what_a_poll_saw_meanwhile_had_moved_past_the_walk() -> None:
    found = lacked(ids(3), seen=frozenset({"c1"}), **CUT, **FELL)
    assert found.look_ups == LookUpList(("c0", "c2"), proof_only=True)
    assert found.lacked == {"c0": 1, "c2": 1}
    # What a whole sweep lacks is gone from the list, whatever a poll saw before that.
    assert lacked(ids(3), seen=frozenset({"c1"})).look_ups == LookUpList(("c0", "c1", "c2"))


def test_a_sweep_that_sees_a_row_forgets_that_others_lacked_it() -> None:
    before = {"c0": 4, "c1": 4, "gone": 4}
    assert lacked(ids(1), lacked=before).lacked == {"c0": 5}
    assert lacked(ids(1), lacked=before, compares=False).lacked == before


@given(
    missing=st.integers(1, 90),
    more=st.sampled_from([CUT, {**CUT, **FELL}, {**SKIPPED, **AGAIN}]),
    undecided=st.integers(1, 4),
)
def test_all_that_sweeps_lack_are_asked_for_in_turn(
    missing: int, more: dict[str, Any], undecided: int
) -> None:
    """None is asked for again before all others were, however many are lacked."""
    remembered: dict[str, int] = {}
    asked: set[str] = set()
    for _ in range(2 + 2 * -(-missing // LOOK_UPS)):
        found = lacked(ids(missing), lacked=remembered, **more)
        chosen = found.look_ups.ids if found.look_ups else ()
        assert len(chosen) <= LOOK_UPS
        assert not asked.intersection(chosen) or asked | set(chosen) == ids(missing)
        asked.update(chosen)
        remembered = dict(found.lacked)
        for key in chosen:
            decided = int(key[1:]) % undecided != 0
            remembered = dict(after_asking(remembered, key, decided=decided))
    assert asked == ids(missing)


def test_what_could_not_be_decided_is_asked_again_after_the_next_sweep() -> None:
    remembered = after_asking({"c0": 2, "c1": 2}, "c0", decided=False)
    remembered = after_asking(remembered, "c1", decided=True)
    found = lacked(ids(2), lacked=remembered, **CUT)
    assert found.look_ups == LookUpList(("c0",), proof_only=True)


# -- the watermark ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "missing", "more", "moves"),
    [
        ("a whole sweep", 0, {}, True),
        ("a whole sweep that lacks rows", 3, {}, True),
        ("a page was skipped, but nothing known is hidden", 0, SKIPPED, True),
        ("a page was skipped with known rows on it", 3, SKIPPED, False),
        ("a page that fails for ever blinds no polls", 3, SKIPPED | AGAIN, True),
        ("nothing at all could be read", 100, SKIPPED | AGAIN, False),
        ("the provider cut the walk", 0, CUT, False),
        ("and cuts it every time", 0, CUT | AGAIN, False),
    ],
)
def test_does_the_watermark_move(
    case: str, missing: int, more: dict[str, Any], moves: bool
) -> None:
    summary = sweep(ids(100) - ids(missing), **more)
    concluded = shown(summary)
    state = after(concluded.effects)
    compares = concluded.compares
    present = ids(100) if compares else frozenset[str]()
    found = compare(summary, state, POLICY, present=present, compares=compares, now=NOW)
    assert after(found.effects, state).polled == (BEGAN if moves else T0), case
    assert after((*concluded.effects, *found.effects)).swept == BEGAN


times = st.one_of(st.none(), st.integers(-500, 500).map(lambda s: T0 + timedelta(minutes=s)))


@given(times, times, times, st.booleans())
def test_the_watermark_never_goes_back(
    polled: datetime | None, newest: datetime | None, latest: datetime | None, whole: bool
) -> None:
    state = dataclasses.replace(STATE, polled=polled, newest=newest)
    more = {"newest": latest} | ({} if whole else SKIPPED)
    found = lacked(frozenset(), state=state, **more)
    left = after(found.effects, state)
    # A time after the present is from before our clock was set back.
    assert left.polled == (polled if polled is not None and BEGAN <= polled <= NOW else BEGAN)
    assert newest is None or (left.newest is not None and left.newest >= newest)


# -- what it lacked ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "present", "missing", "held"),
    [
        ("one row of a hundred", 100, 1, False),
        ("twenty rows are not more than twenty", 100, 20, False),
        ("twenty-one of a hundred", 100, 21, True),
        ("twenty-one of three hundred are not more than ten per cent", 300, 21, False),
        ("all three of three", 3, 3, True),
        ("the only one", 1, 1, True),
        ("two of three", 3, 2, False),
        ("nothing of nothing", 0, 0, False),
    ],
)
def test_what_is_implausible_is_held(case: str, present: int, missing: int, held: bool) -> None:
    found = lacked(ids(missing), present=present)
    left = after(found.effects)
    assert (left.hold is not None) == held, case
    expected = () if held else tuple(sorted(ids(missing)))
    assert left.suspects == expected
    assert (found.look_ups.ids if found.look_ups else ()) == expected
    if held:
        assert left.hold is not None
        assert left.hold.ids == tuple(sorted(ids(missing)))
        assert report(found.effects, "held").extra == {"kind": "absences", "count": missing}


@pytest.mark.parametrize(
    ("case", "missing", "before", "confirmed", "outcome"),
    [
        ("the next whole sweep agrees", ids(30), hold(ids(30)), ids(30), "agreed"),
        ("it agrees on some", ids(10), hold(ids(30)), ids(10), "agreed"),
        ("it disagrees", ids(0), hold(ids(30)), ids(0), "disagreed"),
        ("it lacks others instead", ids(5, 50), hold(ids(30)), ids(0), "disagreed"),
        ("nothing was held", ids(5), None, ids(0), None),
    ],
)
def test_does_a_sweep_agree_with_the_one_that_was_held(
    case: str,
    missing: frozenset[str],
    before: Hold | None,
    confirmed: frozenset[str],
    outcome: str | None,
) -> None:
    found = lacked(missing, state=dataclasses.replace(STATE, hold=before))
    assert after(found.effects).hold is None, case
    if outcome is not None:
        assert report(found.effects, "released").extra == {"outcome": outcome}
    look_ups = found.look_ups or LookUpList(())
    assert (look_ups.confirmed, look_ups.from_hold) == (confirmed, confirmed)
    assert look_ups.ids == tuple(sorted(missing))


def test_other_rows_missing_in_great_number_are_held_next() -> None:
    state = dataclasses.replace(STATE, hold=hold(ids(10)))
    found = lacked(ids(10) | ids(40, 50), state=state)
    assert names(found.effects)[:2] == ["released", "held"]
    assert found.look_ups is not None
    assert found.look_ups.from_hold == ids(10)
    left = after(found.effects, state)
    assert left.hold is not None
    assert set(left.hold.ids) == ids(40, 50)
    assert left.suspects == left.held_suspects == tuple(sorted(ids(10)))


def test_a_suspect_that_two_sweeps_lacked_is_confirmed() -> None:
    state = dataclasses.replace(STATE, suspects=("c0",), held_suspects=("c0", "c9"))
    found = lacked(ids(3), state=state)
    assert found.look_ups == LookUpList(("c0", "c1", "c2"), frozenset({"c0"}), frozenset({"c0"}))


def test_what_a_listing_lacks_for_the_second_time_is_no_sample_of_it() -> None:
    first = lacked(ids(15))
    assert first.look_ups == LookUpList(tuple(sorted(ids(15))))
    second = lacked(ids(16), lacked=dict(first.lacked))
    assert second.look_ups is not None
    assert second.look_ups.again == ids(15)


def test_rows_that_look_ups_keep_finding_are_no_news_to_hold() -> None:
    assert after(lacked(ids(30)).effects).hold is not None
    found = lacked(ids(30), found=ids(30) | ids(5, 200))
    assert after(found.effects).hold is None
    chosen = tuple(sorted(ids(30)))[:LOOK_UPS]
    assert found.look_ups == LookUpList(chosen, again=frozenset(chosen))
    assert found.found_by_lookup == ids(30)


def test_rows_that_look_ups_keep_finding_are_asked_for_in_turn_and_after_others() -> None:
    state = dataclasses.replace(STATE, suspects=("c9",))
    before = dict.fromkeys(ids(30), 3) | {"c0": 0, "c1": 0}
    found = lacked(ids(40), found=ids(30) - {"c9"}, lacked=before, state=state)
    assert found.look_ups is not None
    new, again = found.look_ups.ids[:11], found.look_ups.ids[11:]
    assert new == tuple(sorted({"c9"} | ids(10, 30)))
    assert len(again) == LOOK_UPS
    assert not {"c0", "c1"} & set(again)


def test_suspects_are_stored_at_once_and_a_sweep_that_found_nothing_later() -> None:
    assert names(lacked(ids(1)).effects) == ["save!", "save"]
    assert names(lacked(ids(0)).effects) == ["save", "save"]
    suspected = dataclasses.replace(STATE, suspects=("c0",))
    assert names(lacked(ids(0), state=suspected).effects) == ["save!", "save"]


@pytest.mark.parametrize("more", [SKIPPED, UNREADABLE, CUT])
def test_a_sweep_that_was_not_whole_suspects_nothing(more: dict[str, Any]) -> None:
    found = lacked(ids(50), **more)
    left = after(found.effects)
    assert (found.look_ups, left.suspects, left.hold) == (None, (), None)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_what_a_sweep_lacked_is_either_held_or_looked_up(
    present: int, missing: int, held_before: int, suspected: int
) -> None:
    state = dataclasses.replace(
        STATE,
        hold=hold(ids(held_before)) if held_before else None,
        suspects=tuple(sorted(ids(suspected))),
    )
    found = lacked(ids(min(missing, present)), present=present, state=state)
    left = after(found.effects, state)
    held = set(left.hold.ids) if left.hold else set()
    asked = set(found.look_ups.ids) if found.look_ups else set()
    assert not held & asked
    assert held | asked == ids(min(missing, present))
    assert asked == set(left.suspects)
    if found.look_ups:
        assert found.look_ups.confirmed <= ids(max(held_before, suspected))


# -- what it showed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "count", "held", "admit", "effects"),
    [
        ("twenty new rows", 20, None, True, []),
        ("a crowd is held", 30, None, False, ["held"]),
        ("the next sweep shows it, too", 30, hold(ids(30), "arrivals"), True, ["released"]),
        ("the next sweep shows some of it", 5, hold(ids(30), "arrivals"), True, ["released"]),
        ("the crowd is gone", 0, hold(ids(30), "arrivals"), True, ["released"]),
        ("another crowd", 30, hold(ids(30, 60), "arrivals"), False, ["released", "held"]),
        ("absences are held, the crowd waits", 30, hold(), False, []),
        (
            "a crowd and a hole that is mended",
            30,
            hold(ids(0), "hole"),
            False,
            ["released", "held"],
        ),
    ],
)
def test_are_new_rows_let_in(
    case: str, count: int, held: Hold | None, admit: bool, effects: list[str]
) -> None:
    state = dataclasses.replace(STATE, hold=held)
    concluded = shown(sweep(arrivals=ids(count)), state)
    assert (concluded.admit, names(concluded.effects)) == (admit, effects), case
    left = after(concluded.effects, state)
    waits = left.hold is not None and left.hold.kind == "arrivals"
    assert concluded.compares is not waits  # with a crowd in doubt, nothing is suspected
    if held is not None and held.kind == "arrivals":
        agreed = bool(ids(count) & set(held.ids))
        outcome = report(concluded.effects, "released").extra["outcome"]
        assert outcome == ("agreed" if agreed else "disagreed")


def test_with_a_crowd_in_doubt_the_sweep_is_noted_and_proves_no_absence() -> None:
    state = dataclasses.replace(STATE, hold=hold(ids(30), "arrivals"))
    found = lacked(ids(3), state=state, compares=False, found=ids(2))
    left = after(found.effects, state)
    assert (left.swept, left.suspects, left.hold) == (BEGAN, (), state.hold)
    assert (found.look_ups, found.found_by_lookup) == (None, ids(2))


def test_what_a_person_decided_about_arrivals_is_carried_out_by_one_sweep() -> None:
    state = dataclasses.replace(STATE, arrivals="accept")
    concluded = shown(sweep(), state)
    assert names(concluded.effects) == ["save!"]
    assert after(concluded.effects, state).arrivals == ""


@pytest.mark.parametrize(
    ("case", "state", "count", "come_in"),
    [
        ("some", {}, 20, True),
        ("none", {}, 0, True),
        ("a crowd waits for a whole sweep", {}, 30, False),
        ("a crowd is held", {"hold": hold(ids(30), "arrivals")}, 1, False),
        ("a person has decided", {"arrivals": "discard"}, 1, False),
        ("absences are held", {"hold": hold()}, 1, True),
    ],
)
def test_do_new_rows_come_in_without_a_whole_sweep(
    case: str, state: dict[str, Any], count: int, come_in: bool
) -> None:
    before = dataclasses.replace(STATE, **state)
    assert may_come_in(POLICY, before, ids(count), 100) is come_in, case
    assert shown(sweep(arrivals=ids(count), **SKIPPED), before).admit is come_in, case


def test_a_key_that_other_rows_of_the_sweep_have_is_gone_from_a_row_indeed() -> None:
    lost = frozenset({"labels", "status"})
    summary = sweep(lost=lost, shown=frozenset({"labels", "unread"}))
    assert (summary.explained, summary.unexplained) == ({"labels"}, {"status"})


# -- look-ups, and what a person decides ------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "confirmed", "removal"),
    [
        ("deleted", False, "deleted"),
        ("deleted", True, "deleted"),
        ("access_lost", False, "access_lost"),
        ("found", True, None),
        ("unknown", False, None),
        ("unknown", True, "unknown"),
        (None, False, None),
        (None, True, "unknown"),
    ],
)
def test_is_a_row_that_was_looked_up_gone(
    verdict: Any, confirmed: bool, removal: str | None
) -> None:
    assert after_look_up(verdict, confirmed=confirmed) == removal


def test_a_persons_decision_is_recorded_and_told() -> None:
    state = SourceState("sales", "chatwoot", "acc", baselined=T0, hold=hold(ids(2)))
    accepted, _ = decide_hold(POLICY, state, accept=True, now=NOW)
    assert accepted.state is not None
    assert accepted.state.hold is None
    assert accepted.state.suspects == accepted.state.held_suspects == ("c0", "c1")
    assert accepted.events[0].type == "source.released"
    assert accepted.events[0].data["outcome"] == "accepted"
    discarded, _ = decide_hold(POLICY, state, accept=False, now=NOW)
    assert discarded.state is not None
    assert discarded.state.suspects == ()
    assert discarded.events[0].data["outcome"] == "discarded"


def test_a_decision_about_arrivals_waits_for_the_next_sweep() -> None:
    state = dataclasses.replace(STATE, hold=hold(ids(30), "arrivals"))
    for accept, arrivals in ((True, "accept"), (False, "discard")):
        commit, _ = decide_hold(POLICY, state, accept=accept, now=NOW)
        assert commit.state is not None
        assert (commit.state.hold, commit.state.arrivals) == (None, arrivals)
