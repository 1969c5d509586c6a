"""How a source stands, for people and for the readiness probe.

Law: reads, changes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from watcher.model import rfc3339
from watcher.poller.desk import Desk
from watcher.poller.sweep import SweepWalk
from watcher.records import Hold, Trouble

__all__ = ["describe", "is_stale"]


def describe(
    desk: Desk, sweep: SweepWalk | None, *, attempted: bool, looked: bool
) -> dict[str, Any]:
    """Describe a source as plain JSON; `looked` says whether a look has succeeded in this run."""
    state = desk.state
    return {
        "source": desk.plan.name,
        "provider": desk.plan.provider_name,
        "conversations": desk.present,
        "baselined": rfc3339(state.baselined) if state.baselined else None,
        "last_look": rfc3339(desk.looked) if looked else None,
        "lag": (desk.clock() - desk.looked).total_seconds() if looked else None,
        "sweeping": {"seen": len(sweep.seen), "of": sweep.total} if sweep else None,
        "failing": _trouble(state.failing),
        "hold": _hold(state.hold),
        "poll_every": desk.plan.poll_every,
        "stale": is_stale(desk, looked=looked),
        "attempted": attempted,
    }


def is_stale(desk: Desk, *, looked: bool) -> bool:
    """Tell whether the last good look is too long ago: three polls, at least a minute."""
    if not looked or desk.state.failing is not None:
        return True
    limit = timedelta(seconds=max(60.0, 3 * desk.plan.poll_every))
    return desk.clock() - desk.looked > limit


def _trouble(trouble: Trouble | None) -> dict[str, Any] | None:
    if trouble is None:
        return None
    return {
        "since": rfc3339(trouble.since),
        "reason": trouble.reason,
        "remedy": trouble.remedy,
    }


def _hold(hold: Hold | None) -> dict[str, Any] | None:
    if hold is None:
        return None
    return {
        "kind": hold.kind,
        "since": rfc3339(hold.since),
        "ids": list(hold.ids),
        "known": hold.known,
        "reason": hold.reason,
        "remedy": hold.remedy,
    }
