"""Killed around every call of the store, the rules tell what they would have told without."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from stage import Stage
from support.virtual_time import START, VirtualClock
from test_pace import quiet
from test_restarts import Killed, Mortal

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


async def tell(stage: Stage, kept: MemoryStore) -> Told:
    """Let a little of everything happen in a quarter of an hour, whenever the daemon dies."""
    heard = {"crm": stage.inbox, **stage.others}
    begun = stage.clock()
    (account,) = stage.world.accounts.values()
    first, second, third, fourth = account.conversations.values()
    script = [
        (60, lambda: stage.world.message(first, "hello?")),
        (62, lambda: stage.world.message(second, "hello?")),
        (63, lambda: stage.world.set_priority(third, "urgent")),
        (64, lambda: stage.world.set_labels(fourth, ["vip"])),
        (130, lambda: stage.world.message(first, "anybody?")),
        (500, lambda: stage.world.read(first)),
        (700, lambda: stage.world.read(second)),
        (960, None),
    ]
    while script:
        try:
            async with stage.running():
                while script:
                    at, act = script[0]
                    await anyio.sleep(max(0.0, at - (stage.clock() - begun).total_seconds()))
                    if act is not None:
                        act()
                    script.pop(0)
        except* Killed:
            stage.store = kept
    return {name: set(map(_said, inbox.bodies)) for name, inbox in heard.items()}


def _said(body: dict[str, Any]) -> str:
    """Name a message by its id; a digest by its events, whose order depends on the looks."""
    events = body["data"].get("events")
    if events is None:
        kind = body["data"].get("delivery", {}).get("kind", "event")
        return f"{body['type']} {kind} {body['subject']} {body['id']}"
    return " ".join(sorted(event["id"] for event in events))


def prepare(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    quiet(stage, every="40s")
    stage.sweep_every = "1h"
    stage.rules = RULES
    stage.hear("boss")
    stage.hear("team")
    return stage


async def told(tmp_path: Path, call: int, *, after: bool) -> tuple[Told, bool, MemoryStore]:
    """Give what was told with a daemon that dies at a call of the store, and whether it did."""
    day = (VirtualClock()() - START) // timedelta(days=1) + 1
    await anyio.sleep((START + timedelta(days=day) - VirtualClock()()).total_seconds())
    stage, kept = prepare(tmp_path), MemoryStore()  # at ten o'clock, for hours and digests
    stage.store = kept
    async with stage.running():
        await stage.baseline()
    stage.store = Mortal(kept, call, after=after)  # type: ignore[assignment]
    found = await tell(stage, kept)
    return found, stage.store is kept, kept


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
