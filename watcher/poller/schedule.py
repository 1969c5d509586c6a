"""When a source does what: which step is next, and how long until then.

Rules: pure, times are seconds of the loop's clock and are arguments. A poll goes between two pages
of a sweep, and a page between two polls, so that neither starves the other; a step that failed
pauses, the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from watcher.pipeline.health import Reaction, Step

__all__ = ["LONGEST_WAIT", "Dues", "Stage", "delay", "next_step"]

LONGEST_WAIT = 3600.0
"""Seconds after which a loop that waits looks again in any case."""

Stage = Literal["check", "baseline", "watching"]
"""How far a source has come: not checked yet, not baselined yet, or polled and swept."""


@dataclass(slots=True)
class Dues:
    """When the steps of one source are due."""

    poll: float = 0.0
    """When the next poll is due."""

    sweep: float = 0.0
    """When the next sweep is due; the pages of one under way are due at once."""

    not_before: float = 0.0
    """When the source may be asked again at all."""

    told: float = 0.0
    """Until when the provider itself has asked to wait."""

    paused: dict[Step, float] = field(default_factory=dict)
    """When steps that failed may be tried again."""

    polled_last: bool = False
    """Whether the last step was a poll."""

    def begin(self, step: Step) -> None:
        """Note that a step begins."""
        self.polled_last = step == "poll"

    def succeed(self, step: Step) -> None:
        """Note that a step went well."""
        self.paused.pop(step, None)

    def fail(self, step: Step, reaction: Reaction, now: float) -> None:
        """Pause what failed, or everything, as the reaction says."""
        if reaction.poll_within is not None:
            self.poll = min(self.poll, now + reaction.poll_within)
        if reaction.everything:
            self.not_before = now + reaction.pause
        else:
            self.paused[step] = now + reaction.pause

    def ask_for(self, step: Literal["poll", "sweep"], now: float) -> None:
        """Have a step now because a person asks: pauses of ours end, the provider's wish stays."""
        earliest = max(now, self.told)
        self.not_before = min(self.not_before, earliest)
        if step in self.paused:
            self.paused[step] = min(self.paused[step], earliest)
        if step == "poll":
            self.hurry_poll(now)
        else:
            self.hurry_sweep(now)

    def hurry_poll(self, at: float) -> None:
        """Have the next poll by then at the latest."""
        self.poll = min(self.poll, at)

    def hurry_sweep(self, at: float) -> None:
        """Have the next sweep by then at the latest."""
        self.sweep = min(self.sweep, at)


def next_step(
    dues: Dues, stage: Stage, under_way: Literal["look_up", "sweep"] | None, now: float
) -> Step | None:
    """Return the step that is due now, None where none is.

    `under_way` is what a sweep that has begun does next.
    """
    for step, at in _candidates(dues, stage, under_way, now):
        if at <= now:
            return step
    return None


def delay(
    dues: Dues, stage: Stage, under_way: Literal["look_up", "sweep"] | None, now: float
) -> float:
    """Return the seconds until a step is due, an hour at most."""
    first = min(at for _, at in _candidates(dues, stage, under_way, now))
    return min(max(first - now, 0.0), LONGEST_WAIT)


def _candidates(
    dues: Dues, stage: Stage, under_way: Literal["look_up", "sweep"] | None, now: float
) -> tuple[tuple[Step, float], ...]:
    """Return the steps that may come next and when each can begin, the preferred one first."""
    # Before anything is believed, the source must show that it lets us see what we need.
    if stage == "check":
        return (("check", dues.not_before),)
    step: Step = under_way or "sweep"
    due = now if under_way else dues.sweep
    walk = (step, max(due, dues.not_before, dues.paused.get(step, 0.0)))
    # Until the baseline stands, a poll has nothing to compare with.
    if stage == "baseline":
        return (walk,)
    poll: tuple[Step, float] = (
        "poll",
        max(dues.poll, dues.not_before, dues.paused.get("poll", 0.0)),
    )
    return (walk, poll) if dues.polled_last else (poll, walk)
