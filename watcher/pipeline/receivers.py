"""How a receiver stands: what an attempt says of it, when it counts as failing, when as working again.

Rules: pure. `judge` counts what an attempt came to, `review` decides what that comes to; time alone
may change its answer, and `review_due` says when.

A message that is refused for itself says nothing about the receiver. Whether a refusal is about the
message follows from the receiver's record. It is

* where the answer itself says so,
* while the receiver has taken something, and has refused nothing but this message since,
* and where it has taken something since the message that it refuses again came to be.

So of a receiver that refuses everything (a moved address, a missing permission) the first message
counts as failed attempts if nothing was ever taken, and otherwise the second one does.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from watcher.model import Delivery, Result
from watcher.pipeline.settle import FAILING_AFTER
from watcher.records import ReceiverState, Trouble

__all__ = ["PAUSED_AFTER", "Turn", "judge", "may_turn", "review", "review_due"]

PAUSED_AFTER = 5
"""Failed attempts in a row after which nothing is sent to a receiver for a while."""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=5)

QUIET = timedelta(seconds=30)
"""How long nothing must have been taken before a receiver counts as failing."""

STEADY = timedelta(minutes=1)
"""How long a failing receiver must take messages before it has recovered, unless all are taken."""

REMEMBERED = 2
"""Messages that are told apart in a row of failures or refusals: one, or several."""

Turn = Literal["failing", "recovered"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an attempt makes of a receiver."""

    state: ReceiverState
    """How it stands now."""

    itself: bool = False
    """Whether the message was refused for itself."""


def judge(state: ReceiverState, delivery: Delivery, result: Result, now: datetime) -> Judgement:
    """Count an attempt to send a delivery, the first one of a digest. What it comes to, `review` decides."""
    message = delivery.message or delivery.id
    match result.outcome:
        case "ok":
            return Judgement(_taken(state, now))
        # The notifier says that the message can never be sent: that is not the receiver's doing.
        case "rejected":
            return Judgement(state, itself=True)
        case "refused":
            itself = result.certain or _takes_others(state, delivery, message)
            if not result.certain:
                state = dataclasses.replace(state, refused=_noted(state.refused, message))
            return (
                Judgement(state, itself=True)
                if itself
                else Judgement(_failed(state, message, result, now))
            )
    return Judgement(_failed(state, message, result, now))


def _takes_others(state: ReceiverState, delivery: Delivery, message: str) -> bool:
    if state.taken is None:
        return False
    since = delivery.refused and state.taken >= delivery.created
    return since or set(state.refused) <= {message}


def _taken(state: ReceiverState, now: datetime) -> ReceiverState:
    works = None
    if state.failing is not None:
        works = now if state.works is None else state.works
    return dataclasses.replace(
        state,
        failures=0,
        failed=(),
        refused=(),
        why="",
        off="",
        paused=None,
        probes=0,
        taken=now,
        works=works,
    )


def _failed(state: ReceiverState, message: str, result: Result, now: datetime) -> ReceiverState:
    state = dataclasses.replace(
        state,
        failures=state.failures + 1,
        failed=_noted(state.failed, message),
        why=result.note or "the receiver does not take deliveries",
    )
    if result.outcome == "gone":
        return dataclasses.replace(state, off=result.note or "the receiver answered 410 Gone")
    return state if state.off else _pause(state, result, now)


def _noted(messages: tuple[str, ...], message: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*messages, message)))[:REMEMBERED]


def _pause(state: ReceiverState, result: Result, now: datetime) -> ReceiverState:
    """Pause a receiver that keeps failing, longer after each probe that fails; what was still
    under way when the pause began changes nothing.
    """
    if state.failures < PAUSED_AFTER or (state.paused is not None and now < state.paused):
        return state
    probes = 0 if state.paused is None else state.probes + 1
    pause = min(FIRST_PAUSE * 2 ** min(probes, 8), LONGEST_PAUSE)
    if result.retry_after is not None:
        pause = max(pause, min(timedelta(seconds=min(result.retry_after, 1e6)), LONGEST_PAUSE))
    return dataclasses.replace(state, paused=now + pause, probes=probes)


def may_turn(state: ReceiverState) -> bool:
    """Return whether `review` may change how the receiver counts, now or later."""
    if state.failing is None:
        return bool(state.off) or state.failures >= FAILING_AFTER
    return state.failures == 0 or state.works is not None


def review(state: ReceiverState, now: datetime, *, more: bool) -> tuple[ReceiverState, Turn | None]:
    """Return the receiver's state, and whether it counts as failing or recovered from now on.

    `more` is whether another message is due that may go out, or is under way.
    """
    fails = bool(state.off) or _fails(state, now, more=more)
    if state.failing is None:
        if not fails:
            return state, None
        remedy = (
            f"turn it on again with: inbox-watcher send-test {state.name}"
            if state.off
            else f"see: inbox-watcher deliveries --receiver {state.name}"
        )
        trouble = Trouble(now, state.why or state.off, remedy)
        return dataclasses.replace(state, failing=trouble, turned=now), "failing"
    if fails:  # so again: what it takes from now on begins another minute
        return dataclasses.replace(state, works=None), None
    steady = state.works is not None and _since(state.works, now) >= STEADY
    if state.failures or state.works is None or (more and not steady):
        return state, None
    return dataclasses.replace(state, failing=None, works=None, turned=now), "recovered"


def _fails(state: ReceiverState, now: datetime, *, more: bool) -> bool:
    # One message alone may be what fails: where another one is due, its attempt is awaited.
    several = len(state.failed) >= REMEMBERED or not more
    quiet = all(_since(then, now) >= QUIET for then in _quiet_since(state))
    return state.failures >= FAILING_AFTER and several and quiet


def _quiet_since(state: ReceiverState) -> list[datetime]:
    """Return the times after which it must be quiet: when it last took something, or was told of."""
    return [then for then in (state.taken, state.turned) if then is not None]


def _since(then: datetime, now: datetime) -> timedelta:
    """Return how long ago a time is. One in the future is from before the clock was set back: its age
    is not known, and nobody waits for it.
    """
    return now - then if then <= now else STEADY


def review_due(state: ReceiverState, now: datetime) -> datetime | None:
    """Return when time alone may change what `review` returns, None if it does not."""
    if not may_turn(state):
        return None
    if state.failing is None:
        due = max((then + QUIET for then in _quiet_since(state)), default=None)
    else:
        due = None if state.works is None else state.works + STEADY
    return due if due is not None and due > now else None
