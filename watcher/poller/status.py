"""How a source stands, for people and for the readiness probe.

Law: reads, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from watcher.model import rfc3339
from watcher.poller.request_plan import RequestPlan, estimate
from watcher.poller.session import SourceSession
from watcher.poller.sweep import SweepWalk

__all__ = ["describe", "is_stale", "lag", "request_plan"]


def describe(
    session: SourceSession, sweep: SweepWalk | None, *, attempted: bool, looked: datetime | None
) -> dict[str, Any]:
    """Describe a source as plain JSON; `looked` is when a poll or sweep went through last in this
    run, None if none has.
    """
    state = session.state
    return {
        "source": session.plan.name,
        "provider": session.plan.provider_name,
        "conversations": session.present,
        "baselined": rfc3339(state.baselined) if state.baselined else None,
        "last_look": rfc3339(looked) if looked else None,
        "lag": lag(session, looked) if looked else None,
        "sweeping": {"seen": len(sweep.seen), "of": sweep.total} if sweep else None,
        "failing": state.failing.to_plain() if state.failing else None,
        "hold": state.hold.to_plain() if state.hold else None,
        "poll_every": session.plan.poll_every,
        "stale": is_stale(session, looked),
        "attempted": attempted,
    }


def lag(session: SourceSession, since: datetime) -> float:
    """Give the seconds that have passed since then, none where the clock was set back."""
    return max(0.0, (session.clock() - since).total_seconds())


def is_stale(session: SourceSession, looked: datetime | None) -> bool:
    """Tell whether a source fails, or has had no good poll or sweep for three poll intervals (at
    least a minute), whatever the reason: the clock decides, not what the source's loop reports.
    """
    if looked is None or session.state.failing is not None:
        return True
    return lag(session, looked) > max(60.0, 3 * session.plan.poll_every)


def request_plan(session: SourceSession, sets: Mapping[str, int]) -> RequestPlan | None:
    """Reckon what a source asks of its provider; `sets` are the sizes of its id sets."""
    return estimate(
        session.plan.name,
        session.plan.provider,
        poll_every=session.plan.poll_every,
        sweep_every=session.plan.sweep_every,
        conversations=session.present if session.state.baselined else None,
        sets=sets,
    )
