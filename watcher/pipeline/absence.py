"""What a finished sweep proves about rows that it lacked, or that came all at once.

Law: pure. Only a complete sweep may suspect an absence; an implausible one is held until the next
complete sweep agrees or a person decides; what nobody could decide stays a suspect.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watcher.pipeline.announce import SourceReport, announce_source
from watcher.pipeline.decide import SourcePolicy
from watcher.pipeline.deliveries import Failed
from watcher.records import Commit, Hold, SourceState

__all__ = ["SweepVerdict", "decide_hold", "judge_absences", "judge_arrivals"]


@dataclass(frozen=True, slots=True)
class SweepVerdict:
    """What to do after a complete sweep.

    `verify` are ids to look up one by one; `confirmed` are those among them whose absence two
    complete sweeps agree on (where the look-up cannot tell, they are gone all the same);
    `from_hold` are those that were held before. `hold` is a new hold to put in place. `released`
    is the outcome of the previous hold, None where it was not concerned.
    """

    verify: tuple[str, ...] = ()
    confirmed: frozenset[str] = frozenset()
    from_hold: frozenset[str] = frozenset()
    hold: Hold | None = None
    released: str | None = None


def judge_absences(
    policy: SourcePolicy,
    present: AbstractSet[str],
    seen: AbstractSet[str],
    *,
    suspects_before: AbstractSet[str],
    hold: Hold | None,
    now: datetime,
    found_by_lookup: AbstractSet[str] = frozenset(),
) -> SweepVerdict:
    """Judge a complete sweep that showed `seen` of the `present` (known, not removed) rows.

    `suspects_before` are ids that the last complete sweep lacked and nobody could decide;
    `found_by_lookup` those that it lacked too although a look-up found them: they are looked up again, and
    their absence from the list is no news that would have to be held.
    """
    suspects = present - seen
    held = frozenset(hold.ids) if hold is not None and hold.kind == "absences" else frozenset()
    agreed = suspects & held
    released = None
    if held:
        released = "agreed" if agreed else "disagreed"
    twice = (suspects & suspects_before) - agreed
    again = (suspects & found_by_lookup) - agreed - twice
    rest = suspects - agreed - twice - again
    everything = bool(rest) and rest == present
    new_hold = None
    if everything or policy.implausible(len(rest), len(present)):
        new_hold = Hold(
            kind="absences",
            since=now,
            ids=tuple(sorted(rest)),
            known=len(present),
            reason=_reason(len(rest), len(present)),
            remedy=(
                f"the next complete sweep decides; or decide now: inbox-watcher release {policy.source}"
            ),
        )
        rest = frozenset()
    return SweepVerdict(
        verify=tuple(sorted(agreed | twice | again | rest)),
        confirmed=frozenset(agreed | twice),
        from_hold=frozenset(agreed),
        hold=new_hold,
        released=released,
    )


def _reason(missing: int, known: int) -> str:
    if missing == known:
        return f"a complete sweep showed none of the {known} known conversations"
    return f"a complete sweep lacked {missing} of {known} known conversations"


def judge_arrivals(
    policy: SourcePolicy,
    arrivals: AbstractSet[str],
    known: int,
    *,
    hold: Hold | None,
    now: datetime,
) -> tuple[bool, Hold | None, str | None]:
    """Judge unknown rows of a provider without creation times: admit them, or hold them.

    Gives whether to admit, a new hold, and the outcome of the previous hold (None: not concerned).
    """
    held = frozenset(hold.ids) if hold is not None and hold.kind == "arrivals" else None
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
        reason=f"{len(arrivals)} unknown conversations came at once beside {known} known ones",
        remedy=f"the next complete sweep decides; or decide now: inbox-watcher release {policy.source}",
    )
    return False, new_hold, released


def decide_hold(
    policy: SourcePolicy, state: SourceState, *, accept: bool, now: datetime
) -> tuple[Commit, Failed]:
    """Carry out what a person decided about `state.hold`: the sweep was right, or it was not.

    Accepted absences become suspects that the next complete sweep concludes; accepted arrivals are
    reported by it as created, discarded ones join silently. The caller starts another sweep at once.
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
