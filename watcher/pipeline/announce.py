"""Events about the watcher's own state: sources, receivers, the network.

Law: pure. Their ids come from a number that is kept with the state, so that a restart neither
repeats nor forgets one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from watcher.catalogue.events import ENDING_EVENTS
from watcher.model import Event, derive_id, rfc3339
from watcher.pipeline.decide import SourcePolicy
from watcher.pipeline.deliveries import Failed, Routed, route
from watcher.records import Commit, End, ReceiverState, SourceState
from watcher.rules import Rule

__all__ = ["announce_network", "announce_receiver", "announce_source"]


def announce_source(
    policy: SourcePolicy,
    state: SourceState,
    kind: str,
    *,
    reason: str,
    remedy: str = "",
    since: datetime,
    now: datetime,
    extra: Mapping[str, Any] | None = None,
) -> tuple[Commit, Failed]:
    """Make the commit that records `state` together with the event `source.<kind>` about it."""
    number = state.counts.get(kind, 0)
    event = Event(
        id=derive_id(policy.source, policy.account, f"source.{kind}", number),
        type=f"source.{kind}",
        source=policy.source,
        subject=None,
        time=now,
        data={
            "source": policy.source,
            "provider": policy.provider,
            **_why(reason, remedy, since),
            **(extra or {}),
        },
    )
    routed = route(policy.rules, event)
    over = ENDING_EVENTS.get(event.type)
    ends = (End(policy.source, None, note=over),) if over else ()
    counted = dataclasses.replace(state, counts={**state.counts, kind: number + 1})
    commit = Commit(
        policy.source,
        counted,
        events=(event,),
        deliveries=routed.deliveries,
        ends=ends,
        verdicts={event.id: routed.verdicts},
    )
    return commit, routed.failed


def announce_receiver(
    rules: tuple[Rule, ...],
    state: ReceiverState,
    kind: str,
    *,
    reason: str,
    remedy: str = "",
    since: datetime,
    now: datetime,
    extra: Mapping[str, Any] | None = None,
) -> tuple[ReceiverState, Commit, Failed]:
    """Make the event `receiver.<kind>`; the receiver's new state goes with the settlement."""
    number = state.counts.get(kind, 0)
    event = Event(
        id=derive_id("receiver", state.name, kind, number),
        type=f"receiver.{kind}",
        source=state.name,
        subject=None,
        time=now,
        data={"receiver": state.name, **_why(reason, remedy, since), **(extra or {})},
    )
    routed = route(rules, event)
    counted = dataclasses.replace(state, counts={**state.counts, kind: number + 1})
    return counted, _commit(None, event, routed), routed.failed


def announce_network(
    rules: tuple[Rule, ...],
    state: SourceState,
    kind: str,
    *,
    reason: str,
    remedy: str = "",
    since: datetime,
    now: datetime,
) -> tuple[Commit, Failed]:
    """Make the event `watcher.network_<kind>`; `state` is the watcher's own, named with ``""``."""
    number = state.counts.get(kind, 0)
    event = Event(
        id=derive_id("watcher", f"network_{kind}", number),
        type=f"watcher.network_{kind}",
        source="",
        subject=None,
        time=now,
        data=_why(reason, remedy, since),
    )
    routed = route(rules, event)
    counted = dataclasses.replace(state, counts={**state.counts, kind: number + 1})
    return _commit(counted, event, routed), routed.failed


def _commit(state: SourceState | None, event: Event, routed: Routed) -> Commit:
    return Commit(
        "",
        state,
        events=(event,),
        deliveries=routed.deliveries,
        verdicts={event.id: routed.verdicts},
    )


def _why(reason: str, remedy: str, since: datetime) -> dict[str, Any]:
    return {"reason": reason, "remedy": remedy or None, "since": rfc3339(since)}
