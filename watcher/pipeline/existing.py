"""What holds already when a rule with `existing` first looks: it starts the rule's wait.

Rules: pure. It is no news: no event is recorded in the log. What the rule sends is carried by an event
of the state's type with `data.existing`, which is made for this rule alone. Its id comes from the
conversation, the rule and the number of the look, so that a look that was cut off and made again starts
nothing twice. A conversation that is older than the baseline and seen only later is looked at then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watcher.catalogue.events import EVENTS, STATES
from watcher.model import Delivery, Event, Snapshot, derive_id, rfc3339, to_plain
from watcher.pipeline.deliveries import Failed, route
from watcher.records import Commit, RuleResult, SourceState
from watcher.rules import Rule, judge

if TYPE_CHECKING:
    from watcher.pipeline.decide import SourcePolicy

__all__ = ["LOOKS", "first_look", "withheld"]

LOOKS = "existing"
"""The name under which a source counts such looks (`SourceState.counts`)."""


def first_look(
    policy: SourcePolicy,
    state: SourceState,
    rules: Sequence[Rule],
    snapshots: Iterable[Snapshot],
    now: datetime,
    *,
    news: frozenset[str] = frozenset(),
) -> tuple[Commit, Failed]:
    """Return what rules that look for the first time send of the states that hold in conversations.

    `news` are the types of what is told of them as events anyway.
    """
    events: list[Event] = []
    deliveries: list[Delivery] = []
    verdicts: dict[str, tuple[RuleResult, ...]] = {}
    failed: list[tuple[str, str]] = []
    for snapshot in snapshots:
        for rule in rules if snapshot.present else ():
            for kind in sorted(rule.types):
                if kind in news or not _holds(kind, snapshot):
                    continue
                event = _event(policy, state, rule, kind, snapshot, now)
                # An earlier rule with `stop` ends the evaluation here, too.
                results, wrong = judge(event, policy.rules)
                failed += [one for one in wrong if one[0] == rule.name]
                verdict = next(one for one in results if one.rule == rule.name)
                if verdict.matched:
                    events.append(event)
                    verdicts[event.id] = (verdict,)
                    deliveries += route((rule,), event).deliveries
    commit = Commit(
        policy.source,
        events=tuple(events),
        deliveries=tuple(deliveries),
        verdicts=verdicts,
        at=now,
    )
    return commit, tuple(failed)


def _holds(kind: str, snapshot: Snapshot) -> bool:
    state = STATES.get(kind)
    if state is None or state.holds is None or not state.holds(snapshot.conversation):
        return False
    # Nobody is assigned where a provider does not tell who is: that proves nothing.
    field = state.seen_by
    return not field or any(one.partition(".")[0] == field for one in snapshot.seen)


def _event(
    policy: SourcePolicy,
    state: SourceState,
    rule: Rule,
    kind: str,
    snapshot: Snapshot,
    now: datetime,
) -> Event:
    conversation = snapshot.conversation
    plain = to_plain(conversation)
    look = state.counts.get(LOOKS, 0)
    return Event(
        id=derive_id(policy.source, policy.account, conversation.id, kind, LOOKS, rule.name, look),
        type=kind,
        source=policy.source,
        subject=conversation.id,
        time=now,
        data={
            "source": policy.source,
            "provider": policy.provider,
            "conversation": plain,
            "changes": {},
            "observed": {"after": _began(kind, plain, now), "before": rfc3339(now)},
            "existing": True,
            **withheld(snapshot.prints),
        },
    )


def withheld(prints: Mapping[str, str]) -> dict[str, Any]:
    """Return what an event says of what its conversation has and is not kept."""
    return {"withheld": sorted(prints)} if prints else {}


def _began(kind: str, plain: dict[str, Any], now: datetime) -> str:
    """Return since when it holds, as far as the conversation has a time for it."""
    value: Any = plain
    for name in EVENTS[kind].happened_at or ("",):
        value = value.get(name) if isinstance(value, dict) else None
    # By their clock, which may be ahead: an observation never begins after it has ended.
    return min(value, rfc3339(now)) if isinstance(value, str) else rfc3339(now)
