"""The silences in force: those of the configuration, and those that people added meanwhile.

Rules: what people add is in the store before it counts, so that a restart forgets none; what a
silence does is decided by `watcher.pipeline.guards`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from watcher.clock import Clock
from watcher.conditions import ExpressionError
from watcher.model import derive_id, rfc3339
from watcher.records import Action, Actor, StoredSilence
from watcher.rules import Silence, added_silence
from watcher.store import Outbox

__all__ = ["SilenceRegistry", "acknowledge", "take_back"]


class SilenceRegistry:
    """All silences: a call returns them, configured ones first. Must be opened before."""

    def __init__(
        self,
        store: Outbox,
        configured: Callable[[], tuple[Silence, ...]],
        zone: Callable[[], ZoneInfo | None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._configured = configured
        self._zone = zone
        self._clock = clock
        self._added: tuple[Silence, ...] = ()

    def __call__(self) -> tuple[Silence, ...]:
        return (*self._configured(), *self._added)

    async def open(self) -> None:
        """Load the silences that were added, without those that are over or no longer valid."""
        added = []
        for stored in await self._store.silences():
            if stored.ends <= self._clock():
                continue
            try:
                added.append(added_silence(stored, self._zone()))
            except ExpressionError as failure:
                structlog.get_logger().warning(
                    "a silence cannot be understood any more; it silences nothing",
                    silence=stored.id,
                    problem=failure.message,
                )
        self._added = tuple(added)

    async def add(self, match: str, reason: str, ends: datetime, by: Actor) -> str:
        """Add a silence from now until `ends` and return its id; raise ExpressionError if `match` is
        wrong.
        """
        now = self._clock()
        id_ = derive_id(match, reason, rfc3339(now))[:8]
        stored = StoredSilence(id_, match, reason, now, ends, by.who)
        added_silence(stored, self._zone())
        note = f"{match}, until {rfc3339(ends)}: {reason}"
        await self._store.add_silence(stored, Action(now, by, "silence", id_, note))
        await self.open()
        return stored.id

    async def expire(self, silence: str, by: Actor) -> bool:
        """End a silence that was added; False where none of this id still lasts."""
        now = self._clock()
        action = Action(now, by, "end silence", silence)
        done = await self._store.expire_silence(silence, now, action)
        await self.open()
        return done

    async def extend(self, silence: str, ends: datetime, by: Actor) -> bool:
        """Let a silence that was added last until `ends`, also one that is over; False where there is
        none of this id.
        """
        stored = next((one for one in await self._store.silences() if one.id == silence), None)
        if stored is not None:
            note = f"until {rfc3339(ends)}"
            action = Action(self._clock(), by, "extend silence", silence, note)
            await self._store.add_silence(dataclasses.replace(stored, ends=ends), action)
            await self.open()
        return stored is not None

    async def listing(self) -> Sequence[dict[str, Any]]:
        """Return all silences as plain JSON, configured ones first: what they match and why, when,
        whether they are in force now, and what they have stopped.
        """
        now, counts = self._clock(), await self._store.suppressed()
        rows = []
        for one in self._configured():
            bounds = (one.starts, one.ends)
            row = _row(one.name, "configuration", one.match.source, one.reason, bounds)
            rows.append({**row, "author": None, **_state(bounds, now, hours=one.lasts(now))})
        for stored in await self._store.silences():
            bounds = (stored.starts, stored.ends)
            row = _row(stored.id, "added", stored.match, stored.reason, bounds)
            rows.append({**row, "author": stored.author or None, **_state(bounds, now)})
        for row in rows:
            count = counts.get(row["id"])
            row["stopped"] = count.count if count is not None else 0
            row["last"] = rfc3339(count.last) if count is not None else None
        return rows


async def acknowledge(
    store: Outbox, source: str, conversation: str, by: Actor, now: datetime
) -> int:
    """Acknowledge a conversation: cancel its pending `for` and `repeat` deliveries until its state
    changes again, and note who has taken it. Return how many were cancelled.
    """
    who = f" by {by.who}" if by.who else ""
    action = Action(now, by, "acknowledge", f"{source}/{conversation}")
    note = f"acknowledged{who} at {rfc3339(now)}"
    return await store.acknowledge(source, conversation, note, action)


async def take_back(
    store: Outbox, source: str, conversation: str, by: Actor, now: datetime
) -> bool:
    """Take an acknowledgement back; return False if nobody has taken the conversation."""
    action = Action(now, by, "take back", f"{source}/{conversation}")
    return await store.take_back(source, conversation, action)


def _state(
    bounds: tuple[datetime | None, datetime | None], now: datetime, *, hours: bool = True
) -> dict[str, Any]:
    """Return whether it is in force, and the word for that."""
    starts, ends = bounds
    if starts is not None and now < starts:
        word = "not yet"
    elif ends is not None and now >= ends:
        word = "expired"
    else:
        word = "in force" if hours else "outside its hours"
    return {"active": word == "in force", "state": word}


def _row(
    name: str,
    origin: str,
    match: str,
    reason: str,
    bounds: tuple[datetime | None, datetime | None],
) -> dict[str, Any]:
    starts, ends = (rfc3339(at) if at is not None else None for at in bounds)
    return {
        "id": name,
        "from": origin,
        "match": match,
        "reason": reason,
        "starts": starts,
        "ends": ends,
    }
