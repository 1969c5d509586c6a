"""Killed around every call of the store, the rules tell what they would have told without."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from tests.scenarios.test_pace import quiet
from tests.scenarios.test_restarts import Killed, Mortal
from tests.support.virtual_time import START, VirtualClock
from watcher.records import DeliveryQuery
from watcher.store.memory import MemoryStore

RULES = """
- {name: waits, when: conversation.unread, for: 2m, repeat: 3m, notify: crm}
- {name: nags, when: conversation.unread, repeat: 4m, at_most: 1, notify: boss}
- {name: once, when: conversation.message, throttle: 10m, notify: team}
- {name: else, when: conversation.message, where: conversation.unread_count > 1, notify: team}
- {name: news, when: conversation.message, digest: 5m, notify: crm}
- {name: night, when: conversation.priority_changed, notify: crm,
   hours: {between: '03:00-04:00', otherwise: boss}}
- {name: held, when: conversation.labels_changed, notify: crm, hours: {between: '10:11-12:00'}}
silences:
- {name: quiet, match: 'type == "conversation.assigned"', reason: not now}
"""

Told = dict[str, set[str]]


async def tell(harness: Harness, kept: MemoryStore) -> Told:
    """Let a little of everything happen in a quarter of an hour, whenever the daemon dies."""
    heard = {"crm": harness.inbox, **harness.others}
    begun = harness.clock()
    (account,) = harness.world.accounts.values()
    first, second, third, fourth = account.conversations.values()
    script = [
        (60, lambda: harness.world.message(first, "hello?")),
        (62, lambda: harness.world.message(second, "hello?")),
        (63, lambda: harness.world.set_priority(third, "urgent")),
        (64, lambda: harness.world.set_labels(fourth, ["vip"])),
        (130, lambda: harness.world.message(first, "anybody?")),
        (500, lambda: harness.world.read(first)),
        (700, lambda: harness.world.read(second)),
        (960, None),
    ]
    while script:
        try:
            async with harness.running():
                while script:
                    at, act = script[0]
                    await anyio.sleep(max(0.0, at - (harness.clock() - begun).total_seconds()))
                    if act is not None:
                        act()
                    script.pop(0)
        except* Killed:
            harness.store = kept
    return {name: set(map(_said, inbox.bodies)) for name, inbox in heard.items()}


def _said(body: dict[str, Any]) -> str:
    """Name a message by its id; a digest by its events, whose order depends on the looks."""
    events = body["data"].get("events")
    if events is None:
        kind = body["data"].get("delivery", {}).get("kind", "event")
        return f"{body['type']} {kind} {body['subject']} {body['id']}"
    return " ".join(sorted(event["id"] for event in events))


def prepare(tmp_path: Path) -> Harness:
    harness = Harness(tmp_path)
    quiet(harness, every="40s")
    harness.sweep_every = "1h"
    harness.rules = RULES
    harness.hear("boss")
    harness.hear("team")
    return harness


async def told(tmp_path: Path, call: int, *, after: bool) -> tuple[Told, bool, MemoryStore]:
    """Return what was told with a daemon that dies at a call of the store, and whether it did."""
    day = (VirtualClock()() - START) // timedelta(days=1) + 1
    await anyio.sleep((START + timedelta(days=day) - VirtualClock()()).total_seconds())
    harness, kept = prepare(tmp_path), MemoryStore()  # at ten o'clock, for hours and digests
    harness.store = kept
    async with harness.running():
        await harness.baseline()
    harness.store = Mortal(kept, call, after=after)  # type: ignore[assignment]
    found = await tell(harness, kept)
    return found, harness.store is kept, kept


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_around_calls_of_the_store(tmp_path: Path, after: bool) -> None:
    expected, died, kept = await told(tmp_path, 10**9, after=after)
    assert not died
    assert {name: len(ids) for name, ids in expected.items()} == {"crm": 7, "boss": 6, "team": 3}
    states = [one.state for one in await kept.deliveries(DeliveryQuery())]
    assert states.count("cancelled") >= 2
    call = 1
    while True:
        found, died, _ = await told(tmp_path, call, after=after)
        assert found == expected, f"killed at call {call}"
        if not died:
            return
        call += 13
