"""Ways to break the watcher on purpose: which there are, what they need, and who finds them.

Rules: `broken(name)` undoes what it did. A simulation that does not notice is no proof of anything:
`BREAKAGES` names a seed that finds each one, and

    python -m tests.simulation --breakages [--only NAME] [--seed S] [--seeds N]

looks for seeds anew: how many are needed, from S on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator

from . import sabotage
from .plan import Plan, draw
from .sabotage import Patch
from .troubles import PLAIN
from .verdict import Verdict

__all__ = ["BREAKAGES", "broken", "noticed", "search"]


def _any(plan: Plan) -> bool:
    return True


def _chatwoot(plan: Plan) -> bool:
    return any(s.kind == "chatwoot" for s in plan.sources)


def _paged(plan: Plan) -> bool:
    return any(s.rows > s.pages_of for s in plan.sources)


def _paged_and_mortal(plan: Plan) -> bool:
    return plan.deaths > 0 and _paged(plan)


def _paged_and_faulty(plan: Plan) -> bool:
    return any(s.rows > s.pages_of and s.errors > 0.02 for s in plan.sources)


def _paged_and_slow(plan: Plan) -> bool:
    return any(
        s.kind == "leadping" and s.rows > s.page_size and s.latency[1] > 40 for s in plan.sources
    )


def _lying(plan: Plan) -> bool:
    return any(s.lies > 0 for s in plan.sources)


def _refusing(plan: Plan) -> bool:
    return any(s.errors > 0.04 and s.kind != "leadping" for s in plan.sources)


def _mortal(plan: Plan) -> bool:
    return plan.deaths > 0


def _bad_receiver(plan: Plan) -> bool:
    return plan.receiver_errors > 0.1


def _polled_and_faulty(plan: Plan) -> bool:
    return any(
        s.kind == "chatwoot" and s.errors > 0 and s.sweep_every > 2 * s.poll_every
        for s in plan.sources
    )


def _keyless(plan: Plan) -> bool:
    return any(w.kind == "keys" for w in plan.windows)


def _remapped(plan: Plan) -> bool:
    return any(turn.kind == "mapping" for turn in plan.turns) and any(
        s.kind == "chatwoot" for s in plan.sources
    )


def _skewed(plan: Plan) -> bool:
    return plan.skew > 0


def _moved(plan: Plan) -> bool:
    return any(turn.kind == "account" for turn in plan.turns)


def _shows_direction(plan: Plan) -> bool:
    return any(s.kind != "leadping" for s in plan.sources)


def _refused(plan: Plan) -> bool:
    return plan.receiver_refuses > 0


def _timed(plan: Plan) -> bool:
    return plan.timers and _shows_direction(plan)


def _behind(plan: Plan) -> bool:
    return any(s.clock_off < -300 and s.kind == "highlevel" for s in plan.sources)


def _failing_for_long(plan: Plan) -> bool:
    return any(w.kind in PLAIN and w.end - w.start > 3600 for w in plan.windows)


@dataclasses.dataclass(frozen=True)
class Breakage:
    """How to break it; which plans can notice at all; a seed that does, and its days."""

    patch: Callable[[], list[Patch]]
    wants: Callable[[Plan], bool]
    seed: int
    days: float = 0.15


BREAKAGES: dict[str, Breakage] = {
    "baseline of one page": Breakage(sabotage.baseline_of_one_page, _paged, 17),
    "baseline by restart": Breakage(sabotage.baseline_by_restart, _paged_and_mortal, 4, 0.2),
    "failed page ends the walk": Breakage(
        sabotage.failed_page_ends_the_walk, _paged_and_faulty, 17
    ),
    "absence is deletion": Breakage(sabotage.absence_is_deletion, _lying, 17),
    "hold is ignored": Breakage(sabotage.hold_is_ignored, _lying, 1, 0.2),
    "refusal is lost access": Breakage(sabotage.refusal_is_lost_access, _refusing, 9, 0.2),
    "id from content": Breakage(sabotage.id_from_content, _any, 2, 0.2),
    "older answers count": Breakage(sabotage.older_answers_count, _paged_and_slow, 4, 0.2),
    "absent is null": Breakage(sabotage.absent_is_null, _keyless, 27),
    "events after snapshots": Breakage(sabotage.events_after_snapshots, _mortal, 5, 0.2),
    "recorded before sent": Breakage(sabotage.recorded_before_sent, _bad_receiver, 8),
    "no order": Breakage(sabotage.no_order, _bad_receiver, 8),
    "watermark first": Breakage(sabotage.watermark_first, _polled_and_faulty, 23, 0.19),
    "no sweeps": Breakage(sabotage.no_sweeps, _any, 17),
    "mapping is news": Breakage(sabotage.mapping_is_news, _remapped, 18, 0.2),
    "clock is trusted": Breakage(sabotage.clock_is_trusted, _skewed, 8),
    "accounts mixed": Breakage(sabotage.accounts_mixed, _moved, 17),
    "position after crash": Breakage(sabotage.position_after_crash, _paged_and_mortal, 2, 0.2),
    "failure is silent": Breakage(sabotage.failure_is_silent, _failing_for_long, 12, 0.2),
    "recovery is silent": Breakage(sabotage.recovery_is_silent, _paged_and_faulty, 1),
    "message facts ignored": Breakage(sabotage.message_facts_ignored, _chatwoot, 7),
    "torn rows are told": Breakage(sabotage.torn_rows_are_told, _any, 9, 0.2),
    "failed look-up is deletion": Breakage(sabotage.failed_look_up_is_deletion, _refusing, 17, 0.2),
    "baseline by our clock": Breakage(sabotage.baseline_by_our_clock, _behind, 29, 0.2),
    "greeting is an answer": Breakage(sabotage.greeting_is_an_answer, _shows_direction, 6, 0.2),
    "late news are swallowed": Breakage(
        sabotage.late_news_are_swallowed, _shows_direction, 24, 0.2
    ),
    "death is silent": Breakage(sabotage.death_is_silent, _refused, 1),
    "end is forgotten": Breakage(sabotage.end_is_forgotten, _timed, 5, 0.2),
}


@contextlib.contextmanager
def broken(name: str) -> Iterator[None]:
    """Break the watcher in this way for a while."""
    patches = BREAKAGES[name].patch()
    before = [(where, what, getattr(where, what)) for where, what, _ in patches]
    for where, what, value in patches:
        setattr(where, what, value)
    try:
        yield
    finally:
        for where, what, value in before:
            setattr(where, what, value)


def noticed(verdict: Verdict) -> list[str]:
    """Return what the oracle says; a watcher that merely crashes is no subtle breakage."""
    crashed = any("the daemon crashed" in text for text in verdict.wrong)
    return [] if crashed else verdict.wrong


def search(first: int, seeds: int, only: str | None, days: float) -> int:
    """Look for seeds that notice each breakage; 1 when one went unnoticed. Seeds whose plans lack
    what a breakage needs are passed over, and counted.
    """
    from .trial import try_seed

    unnoticed = 0
    for name in [only] if only else BREAKAGES:
        began, tried = time.monotonic(), 0
        for seed in range(first, first + seeds):
            if not BREAKAGES[name].wants(draw(seed, days)):
                continue
            tried += 1
            with broken(name):
                verdict = try_seed(seed, days)
            if wrong := noticed(verdict):
                passed = f"{seed - first + 1 - tried} passed over, {tried} tried"
                told = f"{name}: found by seed {seed} ({passed}, {time.monotonic() - began:.0f} s)"
                print(f"{told}: {wrong[0][:200]}", flush=True)
                break
        else:
            unnoticed += 1
            print(f"{name}: unnoticed by {seeds} seeds ({tried} tried)", flush=True)
    return 1 if unnoticed else 0
