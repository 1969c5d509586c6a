"""What a source's failures mean: how long to wait, and what to report.

Rules: pure; jitter comes from the source's name and the count, never from chance. A failure is
reported once, after three failed attempts in a row or at once where the provider refuses, and once
more when it is over. A graver failure that takes the place of a reported one ends that one first, so
that `source.failing` and `source.recovered` alternate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from watcher.errors import SourceError, SourceRefused, SourceUnavailable
from watcher.pipeline.announce import SourceReport
from watcher.pipeline.schema_drift import MISSING
from watcher.pipeline.settle import FAILING_AFTER
from watcher.records import SourceState, Trouble

__all__ = [
    "CHECK_TRIES",
    "Reaction",
    "Step",
    "after_failure",
    "after_success",
    "check_may_pass",
    "concern",
    "judge_schema",
]

Step = Literal["check", "poll", "look_up", "sweep"]
"""What a source's loop does next: one check, one poll, one look-up or one page of a sweep."""

CHECK_TRIES = 3
"""Failures of the check after which the walks themselves find out."""

LOOK_UP_PAUSE = 5.0
"""Seconds before a look-up that failed is tried again."""

POLL_AGAIN = 30.0
"""Seconds after which a poll that failed is tried again at the earliest that counts as its due time."""

SLOWEST_RETRY = 300.0
"""The longest pause between two attempts that the provider did not ask for."""

LONGEST_WISH = 3_600.0
"""Seconds that a provider may keep us away with `Retry-After`; then it is asked again."""

SCHEMA = "the provider's answers changed: "
"""How the reason of a trouble begins that lasts although requests succeed."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What follows from a failed attempt."""

    pause: float
    """Seconds until the failed step is tried again."""

    everything: bool = False
    """Whether all steps of the source pause, not the failed one alone."""

    poll_within: float | None = None
    """Seconds after which the next poll is due at the latest; None leaves its time as it is."""

    reports: tuple[SourceReport, ...] = ()
    """What is to be recorded, in this order."""


def concern(step: Step, error: SourceError) -> Step | None:
    """Return the step that a failure counts for: None where it says nothing about the source."""
    if step != "look_up":
        return step
    # Look-ups belong to the sweep that asked for them, and the trouble of one row is not the source's.
    return "sweep" if error.concerns_all else None


def check_may_pass(error: SourceError, failures: int) -> bool:
    """Return whether the walks begin although the check failed, for the `failures`-th time.

    Only a refusal keeps them waiting: a page that fails is the sweep's matter.
    """
    return not error.concerns_all and failures >= CHECK_TRIES


def after_failure(
    step: Step,
    error: SourceError,
    failures: int,
    state: SourceState,
    *,
    poll_every: float,
    network_failing: bool,
    renewed: bool,
    now: datetime,
) -> Reaction:
    """Return what follows from the `failures`-th failed attempt in a row.

    `network_failing` is whether our own network fails now, `renewed` whether the credentials were
    refused and have just been replaced by others.
    """
    if concern(step, error) is None:
        return Reaction(LOOK_UP_PAUSE)
    everything = error.concerns_all or step == "check"
    if renewed:
        # The refusal was about the credentials before: whether it stands shows at once.
        return Reaction(0.0, everything, poll_within=0.0)
    pause = _pause(error, failures, state.name, poll_every)
    return Reaction(
        pause,
        everything,
        poll_within=max(pause, POLL_AGAIN) if step == "poll" else None,
        reports=_failing(error, failures, state.failing, network_failing, now),
    )


def after_success(failing: Trouble | None, *, others_fail: bool) -> SourceReport | None:
    """Return the report that the source works again, None where there is nothing to report.

    `others_fail` is whether the last attempt of another step failed.
    """
    # A changed API is over when a whole listing shows it, not when a request succeeds.
    if failing is None or failing.reason.startswith(SCHEMA) or others_fail:
        return None
    return _recovered(failing, "works again")


def judge_schema(
    state: SourceState,
    missing: frozenset[str],
    vanished: frozenset[str],
    *,
    whole: bool,
    now: datetime,
) -> SourceReport | None:
    """Report keys that vanished from every row at once; their old values stand.

    `missing` are raw keys that no row had, `vanished` paths whose values went away with their key.
    `whole` is whether that is about a whole listing: only one that has them all again ends the
    trouble.
    """
    # The baseline itself says what this account's rows have.
    if state.baselined is None:
        return None
    gone = sorted((missing - frozenset(state.learned.get(MISSING, ()))) | vanished)
    if gone and state.failing is None:
        reason = f"{SCHEMA}no row has {', '.join(gone)} any more; the old values stand"
        remedy = "see whether the provider changed its API, and look for a newer inbox-watcher"
        return _fails(reason, remedy, now)
    if gone or not whole or state.failing is None or not state.failing.reason.startswith(SCHEMA):
        return None
    return _recovered(state.failing, "works again")


def _failing(
    error: SourceError,
    failures: int,
    failing: Trouble | None,
    network_failing: bool,
    now: datetime,
) -> tuple[SourceReport, ...]:
    if failing is not None and not failing.reason.startswith(SCHEMA):
        return ()  # it is reported already
    if network_failing and isinstance(error, SourceUnavailable) and error.connect:
        return ()  # `watcher.network_failing` reports it for all sources at once
    # A single failure passes by itself; a refusal does not, and a person must act.
    if failures < FAILING_AFTER and not isinstance(error, SourceRefused):
        return ()
    fails = _fails(error.reason, error.remedy, now)
    if failing is None:
        return (fails,)
    reason = "a graver trouble takes the place of this one"
    return (_recovered(failing, reason, outcome="replaced"), fails)


def _fails(reason: str, remedy: str, now: datetime) -> SourceReport:
    trouble = Trouble(now, reason, remedy)
    return SourceReport("failing", reason, now, remedy, changes={"failing": trouble})


def _recovered(failing: Trouble, reason: str, **extra: str) -> SourceReport:
    changes = {"failing": None}
    return SourceReport("recovered", reason, failing.since, extra=extra, changes=changes)


def _pause(error: SourceError, failures: int, source: str, poll_every: float) -> float:
    digest = hashlib.blake2b(f"{source}#{failures}".encode(), digest_size=2).digest()
    jitter = 0.2 * int.from_bytes(digest, "big") / 65535
    if isinstance(error, SourceRefused):
        return min(SLOWEST_RETRY, max(15.0, 10 * poll_every)) * (0.9 + jitter)
    if isinstance(error, SourceUnavailable) and error.retry_after is not None:
        wish = min(error.retry_after, LONGEST_WISH)
        return max(wish, 0.1) * (1.0 + jitter)  # never earlier than asked
    ceiling = min(SLOWEST_RETRY, max(30.0, 2 * poll_every))
    first = min(poll_every, 5.0)
    return min(ceiling, first * float(2 ** min(failures - 1, 10))) * (0.9 + jitter)
