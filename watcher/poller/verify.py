"""Looking up, one by one, the rows that a complete sweep lacked.

Law: a row is removed only on proof (the provider says so) or when two complete sweeps agree. What
the look-up cannot decide stays a suspect for the next sweep.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Literal

from watcher.errors import Conflict, SourceChanged, SourceUnavailable
from watcher.pipeline import Sighting, remove
from watcher.poller.session import SourceSession
from watcher.providers import LookUp, Response

__all__ = ["Verification"]

TRIES = 3
"""Failed look-ups of one row after which it waits for the next sweep."""

Reason = Literal["deleted", "access_lost", "unknown"]


@dataclasses.dataclass
class Verification:
    """The look-ups that follow a sweep.

    `confirmed` are ids that two complete sweeps lacked, `from_hold` those that were held. With
    `proof_only` the listing proves nothing: what the look-up cannot decide is no suspect.
    """

    waiting: list[str]
    confirmed: frozenset[str]
    from_hold: frozenset[str]
    undecided: list[str] = dataclasses.field(default_factory=list)
    failures: int = 0
    proof_only: bool = False

    async def step(self, session: SourceSession) -> bool:
        """Look up the next row; True when none is left. Raises SourceError."""
        if self.waiting:
            key = self.waiting[0]
            try:
                await self._look_up(session, key)
            except (SourceUnavailable, SourceChanged):
                self.failures += 1
                if self.failures >= TRIES:
                    self._leave(key, undecided=True)
                raise
        if self.waiting:
            return False
        if self.proof_only:
            return True
        await session.save(
            force=True,
            suspects=tuple(self.undecided),
            held_suspects=tuple(k for k in self.undecided if k in self.from_hold),
        )
        return True

    def _leave(self, key: str, *, undecided: bool) -> None:
        self.waiting.remove(key)
        self.failures = 0
        if undecided:
            self.undecided.append(key)

    async def _look_up(self, session: SourceSession, key: str) -> None:
        snapshot = (await session.store.known(session.plan.name, [key])).get(key)
        if snapshot is None or not snapshot.present:
            self._leave(key, undecided=False)
            return
        position = session.start(LookUp(snapshot.conversation, "absent"))
        verdict: str | None = None
        response: Response | None = None
        while position is not None and verdict is None:
            seen = await session.fetch(position, urgent=False)
            response, verdict = seen.response, seen.page.verdict
            await session.absorb(seen.page.rows, seen.response)
            position = seen.page.next
        reason: Reason | None = None
        if verdict == "deleted":
            reason = "deleted"
        elif verdict == "access_lost":
            reason = "access_lost"
        elif verdict != "found" and key in self.confirmed:
            reason = "unknown"
        if reason is not None and response is not None:
            try:
                await self._remove(session, key, reason, response.sent, response.received)
            except Conflict:
                reason = None  # somebody else has seen it meanwhile: ask again after the next sweep
        if verdict == "found":
            session.found_by_lookup.add(key)
        self._leave(key, undecided=reason is None and verdict != "found")

    async def _remove(
        self, session: SourceSession, key: str, reason: Reason, sent: datetime, received: datetime
    ) -> None:
        snapshot = (await session.store.known(session.plan.name, [key]))[key]
        before = {key: snapshot.observed, **session.rows.seen([key])}
        sighting = Sighting(
            sent=sent, received=received, before=before, previous=session.last_full_look
        )
        decision = remove(
            session.policy, session.state, snapshot, reason, sighting, held=key in self.from_hold
        )
        if decision.commit is not None:
            await session.commit(decision.commit)
        session.warnings.rules(decision.failed)
