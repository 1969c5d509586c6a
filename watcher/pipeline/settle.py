"""What one attempt to deliver means: done, again later, or given up; and what may be sent now.

Rules: pure. Jitter comes from the delivery's id and attempt, never from chance.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watcher.model import Delivery, Result
from watcher.records import ReceiverState, Settlement, Trouble

__all__ = [
    "FAILING_AFTER",
    "PAUSED_AFTER",
    "Policy",
    "Room",
    "judge_receiver",
    "room",
    "settle",
]

FAILING_AFTER = 3
"""Failed attempts in a row after which a source or a receiver counts as failing."""

PAUSED_AFTER = 5
"""Failed attempts in a row after which nothing is sent to a receiver for a while."""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=5)

JITTER = 0.1
UNKNOWN = "cut off, the outcome is unknown"
LATEST_RETRY_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Policy:
    """How deliveries to one receiver are tried again, and how many messages it takes.

    `retry` are the delays after the first, second, … failed attempt; after the last one a delivery
    is dead. `limit` is (messages, window), None for no limit. `relaxed` lets later deliveries of a
    conversation pass one that failed three times. `once_more` is for receivers where an attempt
    that was cut off may have arrived: it is tried one more time only.
    """

    retry: tuple[timedelta, ...]
    limit: tuple[int, timedelta] | None = None
    relaxed: bool = False
    once_more: bool = False


def settle(delivery: Delivery, result: Result, policy: Policy, now: datetime) -> Settlement:
    """Decide a delivery's new state from the result of the attempt `delivery.attempt` (from 1)."""
    settled = _settle(delivery, result, policy, now)
    return dataclasses.replace(
        settled, reached=result.reached, uncertain=result.outcome == "unknown"
    )


def _settle(delivery: Delivery, result: Result, policy: Policy, now: datetime) -> Settlement:
    note = result.note
    if result.outcome == "ok":
        return Settlement(delivery.key, delivery.attempt, "delivered", now, note, now)
    # The receiver will never accept it: further attempts would only delay the dead letter.
    if result.outcome == "rejected":
        return Settlement(delivery.key, delivery.attempt, "dead", now, note, now)
    if result.outcome == "gone":  # the receiver is turned off; what waits for it stays pending
        return Settlement(delivery.key, delivery.attempt, "pending", now, note, None)
    if result.outcome == "unknown":
        note = f"{UNKNOWN}{f': {note}' if note else ''}"
        # It may have arrived each time: a second repetition would rather annoy than help.
        if policy.once_more and delivery.note.startswith(UNKNOWN):
            return Settlement(delivery.key, delivery.attempt, "dead", now, note, now)
    # The schedule is used up: a person decides.
    if delivery.attempt > len(policy.retry):
        tries = f"{delivery.attempt} attempt{'' if delivery.attempt == 1 else 's'}"
        note = f"given up after {tries}: {note}"
        return Settlement(delivery.key, delivery.attempt, "dead", now, note, now)
    delay = policy.retry[delivery.attempt - 1] * _jitter(delivery.key, delivery.attempt)
    if result.retry_after is not None:
        wish = min(timedelta(seconds=min(result.retry_after, 1e6)), LATEST_RETRY_AFTER)
        delay = max(delay, wish)
    return Settlement(delivery.key, delivery.attempt, "pending", now + delay, note, None)


def _jitter(key: str, attempt: int) -> float:
    """Return a factor within ±10 % that is always the same for this delivery and attempt."""
    digest = hashlib.blake2b(f"{key}#{attempt}".encode(), digest_size=8).digest()
    fraction = int.from_bytes(digest, "big") / 2**64
    return 1 - JITTER + 2 * JITTER * fraction


def judge_receiver(
    state: ReceiverState, result: Result, now: datetime
) -> tuple[ReceiverState, str | None]:
    """Return the receiver's state after a result, and `failing` or `recovered` if that changed."""
    if result.outcome in ("ok", "rejected"):
        # A rejected message says nothing about the receiver's health; a taken one does.
        if result.outcome == "rejected" or not (state.failing or state.failures or state.off):
            return state, None
        turned = "recovered" if state.failing is not None else None
        state = dataclasses.replace(state, failures=0, failing=None, off="", paused=None, probes=0)
        return state, turned
    failures = state.failures + 1
    off = state.off
    if result.outcome == "gone":
        off = result.note or "the receiver answered 410 Gone"
    failing = state.failing
    turned = None
    if failing is None and (failures >= FAILING_AFTER or result.outcome == "gone"):
        remedy = (
            f"turn it on again with: inbox-watcher send-test {state.name}"
            if result.outcome == "gone"
            else "see: inbox-watcher deliveries --state pending"
        )
        failing = Trouble(now, result.note or "the receiver does not take deliveries", remedy)
        turned = "failing"
    state = dataclasses.replace(state, failures=failures, failing=failing, off=off)
    return (state if off else _pause(state, result, now)), turned


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


@dataclass(frozen=True, slots=True)
class Room:
    """What a receiver's limit leaves: `single` messages may go out alone now, the rest must be
    collapsed into one digest (`digest`), or wait until `wait` (None: nothing waits).
    """

    single: int
    digest: bool = False
    wait: datetime | None = None


def room(
    limit: tuple[int, timedelta] | None,
    sent: Sequence[datetime],
    waiting: int,
    now: datetime,
) -> Room:
    """Return how `waiting` due messages may go out, given the times of those `sent` before."""
    if limit is None:
        return Room(waiting)
    allowed, window = limit
    # A time in the future is from before the clock was set back: its age is unknown.
    recent = sorted(at for at in sent if now - window < at <= now)
    left = allowed - len(recent)
    if left <= 0:
        return Room(0, wait=recent[len(recent) - allowed] + window)
    if waiting <= left:
        return Room(waiting)
    return Room(left - 1, digest=True)
