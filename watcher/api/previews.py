"""What a silence would have stopped, had it been in force.

Rules: reads only. What is asked of each message is what the program asks when a message is due
(`watcher.pipeline.guard`), with today's rules and with this silence alone; of very many messages the newest
are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import anyio.lowlevel

from watcher.explain.deliveries import plain_delivery
from watcher.model import Delivery
from watcher.pipeline import Guards, guard
from watcher.records import DeliveryQuery, StoredSilence
from watcher.rules import Rule, Silence, added_silence
from watcher.rules.due import Drop
from watcher.store import Store

__all__ = ["PREVIEWED", "preview_silence"]

PREVIEWED = timedelta(days=1)
"""How far back messages are looked at."""

MOST_PREVIEWED = 1000
EXAMPLES = 5
AT_ONCE = 50
"""Messages that are asked about before others have their turn."""


async def preview_silence(
    store: Store, match: str, rules: Sequence[Rule], zone: ZoneInfo | None, now: datetime
) -> Mapping[str, Any]:
    """Return what a silence would have stopped of the last day's messages, and what it would stop of those
    that still wait. Raise ExpressionError for a wrong `match`.
    """
    named = {rule.name: rule for rule in rules}
    # Messages of any time are asked about: it lasts from the first of them on.
    stored = StoredSilence("preview", match, "", datetime.min.replace(tzinfo=UTC), now + PREVIEWED)
    silence = added_silence(stored, zone)
    query = DeliveryQuery(since=now - PREVIEWED, limit=MOST_PREVIEWED + 1)
    past = [one for one in await store.deliveries(query) if one.created <= now]
    owed = await store.deliveries(DeliveryQuery(state="pending", limit=MOST_PREVIEWED + 1))
    # What was cancelled would have reached nobody anyway.
    sent = [one for one in past[-MOST_PREVIEWED:] if one.state in ("delivered", "dead")]
    stopped = await _stopped(sent, silence, named)
    waiting = await _stopped(owed[-MOST_PREVIEWED:], silence, named)
    return {
        "sent": len(sent),
        "stopped": len(stopped),
        "exact": len(past) <= MOST_PREVIEWED and len(owed) <= MOST_PREVIEWED,
        "receivers": _counts(one.receiver for one in stopped),
        "severities": _counts(_severity(one, named) for one in stopped),
        "waiting": len(waiting),
        "examples": [plain_delivery(one, now, None) for one in [*reversed(stopped)][:EXAMPLES]],
    }


async def _stopped(
    deliveries: Sequence[Delivery], silence: Silence, rules: Mapping[str, Rule]
) -> Sequence[Delivery]:
    stopped = []
    for start in range(0, len(deliveries), AT_ONCE):
        some = deliveries[start : start + AT_ONCE]
        stopped += [one for one in some if _stops(silence, one, rules)]
        await anyio.lowlevel.checkpoint()
    return stopped


def _stops(silence: Silence, delivery: Delivery, rules: Mapping[str, Rule]) -> bool:
    """Return whether no rule would have sent it."""
    # A digest that was tried is not asked again; here it is asked as when it first was due.
    first = replace(delivery, attempt=0)
    verdict = guard(first, Guards(rules, (silence,), {}), delivery.created)
    return isinstance(verdict, Drop) and verdict.silence == silence.name


def _severity(delivery: Delivery, rules: Mapping[str, Rule]) -> str:
    rule = rules.get(delivery.rule)
    return rule.severity if rule is not None else ""


def _counts(names: Iterable[str]) -> Sequence[Mapping[str, Any]]:
    return [{"name": name, "count": count} for name, count in Counter(names).most_common()]
