"""What a sweep that has ended proves: about the baseline, about rows that came, about rows it lacked.

Rules: pure. What a whole sweep lacked (no page failed, skipped or cut, no row unreadable) is looked up:
the provider's word, or a second whole sweep that lacks it, removes it. What is implausible is held until
the next whole sweep agrees or a person decides; one hold at a time. What cannot be decided stays a suspect.
Of many rows a sample is looked up first (`watcher.poller.walks`): it shows whether the listing is right.

A sweep that was not whole proves nothing, but where the order moves under a walk few are: what it
lacked is looked up, too, some rows at a time, and there the provider's word alone removes a row.

A sweep is concluded in two parts: `conclude` says what it showed, and `compare` what it lacked, once
the new rows are let in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from watcher.pipeline.announce import Effect, SourceReport, StateUpdate, announce_source
from watcher.pipeline.decide import SourcePolicy
from watcher.pipeline.deliveries import Failed
from watcher.pipeline.schema_drift import MISSING
from watcher.records import Commit, Hold, SourceState

__all__ = [
    "Comparison",
    "Conclusion",
    "LookUpList",
    "Removal",
    "SweepSummary",
    "after_asking",
    "after_look_up",
    "compare",
    "conclude",
    "decide_hold",
    "may_come_in",
]

HOLE_AFTER = 2
"""Sweeps in a row that were not whole after which the hole counts as staying."""

LOOK_BEHIND = 100
"""Rows behind a page that always fails that are looked up after a sweep; the next one goes on."""

LOOK_UPS = 20
"""Rows that a sweep lacked for no reason that is known, and that are looked up after it; the next one
goes on.
"""

LACKED_AGAIN = 2
"""Sweeps in a row that lacked a row, after which it is looked up although the list's count has not
fallen.
"""

Removal = Literal["deleted", "access_lost", "unknown"]
"""Why a conversation counts as gone."""


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """What the pages of a sweep came to."""

    began: datetime
    """When it began, by our clock."""

    started: datetime
    """The latest time by the provider's own stamps that is surely not after its beginning."""

    seen: AbstractSet[str]
    """The rows that it showed."""

    arrivals: AbstractSet[str] = frozenset()
    """Unknown rows among them that have no creation time and were set aside."""

    newest: datetime | None = None
    """Up to when it has seen all activity, by the rows' own stamps; None where they do not show it."""

    cut: bool = False
    """Whether the provider says that the walk may have missed rows."""

    skipped: int = 0
    """Pages that always fail and were left out."""

    unusable: int = 0
    """Rows that could not be read."""

    top: int | None = None
    """The highest place of a row in the order of creation; None where rows show none."""

    missing: frozenset[str] = frozenset()
    """Raw keys that no row had."""

    lost: frozenset[str] = frozenset()
    """Paths whose values all rows of a page lost together with their key."""

    shown: AbstractSet[str] = frozenset()
    """Paths whose key some row had."""

    total: int | None = None
    """The list's own count of conversations with its last page, None where it gives none."""

    incomplete_before: int = 0
    """Sweeps in a row before this one that were not whole."""

    refused: int = 0
    """Unknown rows that were not taken in."""

    bound: str = ""
    """The bound of the source that kept them out."""

    @property
    def whole(self) -> bool:
        """Whether it read every row of the listing."""
        return not (self.cut or self.unusable or self.skipped)

    @property
    def only_cut(self) -> bool:
        """Whether every page came and could be read, and rows may have moved past the walk."""
        return self.cut and not (self.unusable or self.skipped)

    @property
    def hole_stays(self) -> bool:
        """Whether what hides rows has done so for long enough to be reported."""
        return not self.whole and self.incomplete_before + 1 >= HOLE_AFTER

    @property
    def explained(self) -> frozenset[str]:
        """Lost paths whose key other rows still have: there the API is as it was, and the values
        are gone indeed.
        """
        return self.lost & self.shown

    @property
    def unexplained(self) -> frozenset[str]:
        """Lost paths whose key no row of the whole sweep had."""
        return self.lost - self.shown


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a sweep showed."""

    outcome: Literal["baseline", "repeat", "complete", "incomplete"]
    """What the sweep was: the baseline, a first one that must be repeated, or a later one."""

    effects: tuple[Effect, ...] = ()
    """What is to be recorded, in this order."""

    admit: bool = False
    """Whether the new rows that were set aside come in, after that."""

    compares: bool = False
    """Whether `compare` needs to know which conversations are present."""


@dataclass(frozen=True, slots=True)
class LookUpList:
    """Rows to look up one by one."""

    ids: tuple[str, ...]
    """The rows, in order."""

    confirmed: frozenset[str] = frozenset()
    """Those that two whole sweeps lacked: where the look-up cannot tell, they are gone."""

    from_hold: frozenset[str] = frozenset()
    """Those that were held before."""

    again: frozenset[str] = frozenset()
    """Those that are no sample of this listing: look-ups have found them before although it lacked them, or
    a sweep has lacked them before and nobody was asked.
    """

    proof_only: bool = False
    """Whether the listing proves nothing: what the look-up cannot decide is not a suspect."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a sweep lacked."""

    effects: tuple[Effect, ...] = ()
    """What is to be recorded, in this order."""

    look_ups: LookUpList | None = None
    """What must be looked up; None where nothing must."""

    found_by_lookup: frozenset[str] = frozenset()
    """Rows that the listing lacks although a look-up has found them, to be remembered."""

    lacked: Mapping[str, int] = field(default_factory=dict)
    """The rows that it lacked, with the number of sweeps in a row, to be remembered."""


def conclude(
    sweep: SweepSummary, state: SourceState, policy: SourcePolicy, *, known: int, now: datetime
) -> Conclusion:
    """Conclude what a sweep showed; `known` conversations are present so far."""
    if state.baselined is None:
        return _baseline(sweep, state, policy, known, now)
    if not sweep.whole:
        return _incomplete(sweep, state, policy, known, now)
    effects: list[Effect] = []
    hold = state.hold
    # Everything could be read again.
    if hold is not None and hold.kind == "hole" and not sweep.refused:
        effects.append(_released(hold, "mended"))
        hold = None
    if hold is None and sweep.refused:
        full = _hole(sweep, now)
        effects.append(full)
        hold = full.changes["hold"]
    # What a person decided about held arrivals has been carried out by this sweep.
    if state.arrivals:
        effects.append(StateUpdate({"arrivals": ""}, force=True))
    admit, new_hold, released = _judge_arrivals(policy, sweep.arrivals, known, hold, now)
    if released is not None and hold is not None:
        effects.append(_released(hold, released))
        hold = None
    # One hold at a time: where absences are held, the crowd waits for a later sweep.
    if new_hold is not None and hold is None:
        effects.append(_held(new_hold, {"kind": "arrivals", "count": len(new_hold.ids)}))
        hold = new_hold
    return Conclusion(
        "complete",
        tuple(effects),
        admit=admit,
        # With a crowd in doubt, the listing as a whole is: it proves no absence either.
        compares=hold is None or hold.kind != "arrivals",
    )


def _baseline(
    sweep: SweepSummary, state: SourceState, policy: SourcePolicy, known: int, now: datetime
) -> Conclusion:
    # A page that failed once is read by the next sweep. A hole that stays must not keep the source
    # from being watched for ever: then what could be read is the baseline.
    if not sweep.whole and not sweep.hole_stays and not sweep.refused:
        return Conclusion("repeat")
    # An empty inbox is possible, an answer that is empty by mistake more likely: two must agree.
    if sweep.whole and not sweep.seen and state.empty_sweeps == 0:
        return Conclusion("repeat", (StateUpdate({"empty_sweeps": 1}, force=True),))
    changes = {
        "baselined": now,
        "baseline_started": sweep.started,
        "baseline_top": sweep.top,
        "polled": sweep.began,
        "swept": sweep.began,
        "newest": sweep.newest,
        "empty_sweeps": 0,
        "learned": {**state.learned, MISSING: sorted(sweep.missing)},
    }
    count = known if sweep.refused else len(sweep.seen)
    report = SourceReport(
        "baselined",
        f"{count} conversations known",
        sweep.began,
        extra={"version": policy.version, "limits": list(policy.limits)},
        changes=changes,
    )
    whole = sweep.whole and not sweep.refused
    return Conclusion("baseline", (report,) if whole else (report, _hole(sweep, now)))


def _incomplete(
    sweep: SweepSummary, state: SourceState, policy: SourcePolicy, known: int, now: datetime
) -> Conclusion:
    effects: list[Effect] = []
    # One page that failed once is no hole. Nor is it one where rows only move past the walk, as long as
    # all that the list counts is known: what is lacked is looked up.
    moved = sweep.only_cut and sweep.total is not None and sweep.total <= known
    if state.hold is None and (sweep.refused or (sweep.hole_stays and not moved)):
        effects.append(_hole(sweep, now))
    effects.append(StateUpdate({"swept": sweep.began}))
    return Conclusion(
        "incomplete",
        tuple(effects),
        # A new row is there whether or not the sweep was whole; only a crowd needs a whole one.
        admit=may_come_in(policy, state, sweep.arrivals, known),
        compares=True,
    )


def compare(
    sweep: SweepSummary,
    state: SourceState,
    policy: SourcePolicy,
    *,
    present: AbstractSet[str],
    compares: bool,
    found_by_lookup: AbstractSet[str] = frozenset(),
    lacked: Mapping[str, int] | None = None,
    seen_meanwhile: AbstractSet[str] = frozenset(),
    now: datetime,
) -> Comparison:
    """Conclude what a sweep lacked of the conversations that are `present`.

    `state` is the one that `conclude` left, `compares` what it said (`present` counts only then).
    `found_by_lookup` are rows that sweeps before lacked although look-ups found them, `lacked` those
    that sweeps in a row have lacked since a poll, a sweep or a look-up last saw them, with the number
    of these sweeps. `seen_meanwhile` are rows that polls have seen since the sweep began.
    """
    found = Comparison((StateUpdate({"swept": sweep.began}),), None, frozenset(found_by_lookup))
    times: Mapping[str, int] = lacked or {}
    if compares:
        missed = present - sweep.seen - (frozenset() if sweep.whole else seen_meanwhile)
        times = {key: times.get(key, 0) + 1 for key in missed}
    if not sweep.whole:
        look_ups = _look_behind(sweep, state, policy, times, len(present))
        found = Comparison((), look_ups, frozenset(found_by_lookup))
    elif compares:
        found = _judge_absences(sweep, state, policy, present, found_by_lookup, times, now)
    found = dataclasses.replace(found, lacked=times)
    hidden = compares and not sweep.whole and bool(present - sweep.seen)
    if sweep.cut or (hidden and not _counts(sweep)):
        return found
    moved = _watermark(sweep, state, now)
    return found if moved is None else dataclasses.replace(found, effects=(*found.effects, moved))


def _counts(sweep: SweepSummary) -> bool:
    """Return whether a sweep moves the watermark whatever it lacked: where a page fails for ever,
    polls, which go past it, never do.
    """
    return sweep.whole or (bool(sweep.seen) and sweep.hole_stays)


def _watermark(sweep: SweepSummary, state: SourceState, now: datetime) -> StateUpdate | None:
    """Return the change that lets polls begin where the sweep did: they need not read it again."""
    # A time after the present is from before our clock was set back.
    later = state.polled is not None and sweep.began <= state.polled <= now
    polled = state.polled if later else sweep.began
    newest = max(filter(None, (state.newest, sweep.newest)), default=None)
    if (polled, newest) == (state.polled, state.newest):
        return None
    return StateUpdate({"polled": polled, "newest": newest})


def _look_behind(
    sweep: SweepSummary,
    state: SourceState,
    policy: SourcePolicy,
    lacked: Mapping[str, int],
    known: int,
) -> LookUpList | None:
    """Return the rows to look up after a sweep that was not whole; there only the provider's own word
    counts. `lacked` are the rows that it missed, each with the number of sweeps in a row.
    """
    # A listing that shows nothing is more likely wrong than empty.
    if not sweep.seen:
        return None
    wanted = set(lacked)
    behind = state.hold is not None and state.hold.kind == "hole" and not sweep.only_cut
    # Behind a page that always fails nothing else shows a change. Elsewhere a row has mostly moved past
    # the walk: it is asked for where the list counts fewer rows than are known, or where the next
    # sweep lacks it, too. So a row that is not in the list for a moment, or whose deletion the list
    # does not show yet, is not taken for gone. A crowd is sooner the listing's fault: it has to be
    # missed again as well.
    fell = sweep.total is not None and sweep.total < known
    if not behind and (not fell or policy.implausible(len(lacked), known)):
        wanted = {key for key in lacked if lacked[key] >= LACKED_AGAIN}
    chosen = _in_turn(wanted, lacked, LOOK_BEHIND if behind else LOOK_UPS)
    return LookUpList(chosen, proof_only=True) if chosen else None


def _in_turn(wanted: Iterable[str], lacked: Mapping[str, int], most: int) -> tuple[str, ...]:
    """Return so many of the rows: those first that most sweeps have lacked since they were last seen or
    asked for. Looking up thousands after every sweep would use up the request limit.
    """
    return tuple(sorted(wanted, key=lambda key: (-lacked.get(key, 0), key))[:most])


def _judge_absences(
    sweep: SweepSummary,
    state: SourceState,
    policy: SourcePolicy,
    present: AbstractSet[str],
    found_by_lookup: AbstractSet[str],
    times: Mapping[str, int],
    now: datetime,
) -> Comparison:
    lacked = present - sweep.seen
    hold = state.hold
    held = frozenset(hold.ids) if hold is not None and hold.kind == "absences" else frozenset()
    # The second sweep agrees with the held one, or with an earlier suspicion that no look-up could decide.
    agreed = lacked & held
    twice = (lacked & frozenset(state.suspects)) - agreed
    # Look-ups have found these before: they are asked for again, and are no news to hold.
    again = (lacked & found_by_lookup) - agreed - twice
    rest = lacked - agreed - twice - again
    effects: list[Effect] = []
    if hold is not None and held:
        effects.append(_released(hold, "agreed" if agreed else "disagreed"))
    new_hold = None
    # A listing that shows nothing, or lacks a crowd, is more likely wrong than right.
    if (rest and rest == present) or policy.implausible(len(rest), len(present)):
        new_hold = _absences_hold(policy, rest, len(present), now)
        rest = frozenset()
    # What look-ups keep finding takes turns, after what they have not decided yet.
    repeated = _in_turn(again, times, LOOK_UPS)
    wanted = (*sorted(agreed | twice | rest), *repeated)
    from_hold = frozenset(agreed) | (frozenset(state.held_suspects) & frozenset(wanted))
    changes: dict[str, Any] = {
        "suspects": wanted,
        "held_suspects": tuple(sorted(from_hold)),
        "swept": sweep.began,
    }
    if new_hold is not None:
        extra = {"kind": "absences", "count": len(new_hold.ids)}
        effects.append(_held(new_hold, extra, changes))
    else:
        # Suspects must survive a restart; that a sweep found nothing may be stored later.
        effects.append(StateUpdate(changes, force=bool(wanted or state.suspects)))
    confirmed = frozenset(agreed | twice)
    # What the listing lacks time and again is asked for, each row: one of them may be gone.
    stays = frozenset(repeated) | {key for key in rest if times.get(key, 0) >= LACKED_AGAIN}
    look_ups = LookUpList(wanted, confirmed, from_hold, stays) if wanted else None
    return Comparison(tuple(effects), look_ups, frozenset(found_by_lookup & lacked))


def _absences_hold(policy: SourcePolicy, rest: AbstractSet[str], known: int, now: datetime) -> Hold:
    what = f"lacked {len(rest)} of {known} known conversations"
    if len(rest) == known:
        what = f"showed none of the {known} known conversations"
    return Hold(
        kind="absences",
        since=now,
        ids=tuple(sorted(rest)),
        known=known,
        reason=f"a complete sweep {what}",
        remedy=_decide_now(policy),
    )


def _judge_arrivals(
    policy: SourcePolicy,
    arrivals: AbstractSet[str],
    known: int,
    hold: Hold | None,
    now: datetime,
) -> tuple[bool, Hold | None, str | None]:
    """Return whether new rows come in, a new hold, and the outcome of the previous one (None where
    it is about something else).
    """
    held = frozenset(hold.ids) if hold is not None and hold.kind == "arrivals" else None
    # The second sweep shows some of them, too: they are there.
    if held is not None and held & arrivals:
        return True, None, "agreed"
    released = "disagreed" if held is not None else None
    if not policy.implausible(len(arrivals), known):
        return True, None, released
    new_hold = Hold(
        kind="arrivals",
        since=now,
        ids=tuple(sorted(arrivals)),
        known=known,
        reason=f"{len(arrivals)} unknown conversations appeared at once; {known} were known",
        remedy=_decide_now(policy),
    )
    return False, new_hold, released


def may_come_in(
    policy: SourcePolicy, state: SourceState, arrivals: AbstractSet[str], known: int
) -> bool:
    """Return whether new rows come in without a whole sweep that shows them."""
    # What a person decides, or has decided, about a crowd is carried out by a whole sweep.
    if state.arrivals or (state.hold is not None and state.hold.kind == "arrivals"):
        return False
    return not policy.implausible(len(arrivals), known)


def after_asking(lacked: Mapping[str, int], key: str, *, decided: bool) -> Mapping[str, int]:
    """Return what is remembered of the rows that sweeps lacked, once this one was asked for.

    Others come first now. One that could not be decided is asked again after the next sweep.
    """
    return {**lacked, key: 0 if decided else LACKED_AGAIN - 1}


def after_look_up(
    verdict: Literal["found", "deleted", "access_lost", "unknown"] | None, *, confirmed: bool
) -> Removal | None:
    """Return why a conversation that was looked up is gone, None where it is not known to be.

    `confirmed` is whether two whole sweeps lacked it.
    """
    if verdict == "deleted" or verdict == "access_lost":
        return verdict
    # No proof either way: then the two sweeps decide.
    return "unknown" if verdict != "found" and confirmed else None


def decide_hold(
    policy: SourcePolicy, state: SourceState, *, accept: bool, now: datetime
) -> tuple[Commit, Failed]:
    """Carry out what a person decided about `state.hold`: the sweep was right, or it was not.

    Accepted absences become suspects that the next whole sweep concludes; accepted arrivals are
    reported by it as created, discarded ones join silently. The caller lets a sweep follow at once.
    """
    hold = state.hold
    if hold is None:
        raise ValueError(f"source {state.name} has no held sweep")
    changes: dict[str, Any] = {"hold": None}
    if hold.kind == "absences" and accept:
        changes |= {"suspects": hold.ids, "held_suspects": hold.ids}
    if hold.kind == "arrivals":
        changes["arrivals"] = "accept" if accept else "discard"
    report = SourceReport(
        "released",
        hold.reason,
        hold.since,
        extra={"outcome": "accepted" if accept else "discarded"},
        changes=changes,
    )
    return announce_source(policy, state, report, now=now)


HIDDEN = "what is hidden there is watched less closely"


def _hole(sweep: SweepSummary, now: datetime) -> SourceReport:
    what = "the listing cannot be walked whole"
    remedy = "ask the provider's administrator to repair the records that the listing fails on"
    if sweep.refused:
        what = f"the list shows more conversations than {sweep.bound} of this source allows"
        remedy = (
            "raise it if the account is that large, else ask the provider why its list does not end;"
            " what is known is watched"
        )
    elif sweep.skipped:
        what = f"{sweep.skipped} page(s) of the listing always fail"
    elif sweep.unusable:
        what = f"{sweep.unusable} row(s) of the listing cannot be read"
    return _held(
        Hold(
            kind="hole",
            since=now,
            ids=(),
            known=len(sweep.seen),
            reason=f"{what}; the rest is not watched" if sweep.refused else f"{what}; {HIDDEN}",
            remedy=remedy,
        )
    )


def _held(
    hold: Hold, extra: Mapping[str, Any] | None = None, changes: Mapping[str, Any] | None = None
) -> SourceReport:
    return SourceReport(
        "held",
        hold.reason,
        hold.since,
        hold.remedy,
        extra=extra or {},
        changes={**(changes or {}), "hold": hold},
    )


def _released(hold: Hold, outcome: str) -> SourceReport:
    return SourceReport(
        "released", hold.reason, hold.since, extra={"outcome": outcome}, changes={"hold": None}
    )


def _decide_now(policy: SourcePolicy) -> str:
    return f"the next complete sweep decides; or decide now: inbox-watcher release {policy.source}"
