"""The provider's own row of one conversation, for people who write `fields:`.

Rules: asks, and commits nothing. The row is that of the list, where it is among the newest; else that
of a look-up, which may show other keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from watcher.config.model import Source
from watcher.daemon.plans import plan_source
from watcher.errors import SourceError
from watcher.metrics import MotionName
from watcher.model import Snapshot
from watcher.poller import SourcePlan
from watcher.poller.walks import LookUpWalk, Seen, Walk, broken_plugin, step
from watcher.providers import Poll, Position
from watcher.records import SourceState
from watcher.transport import Transport

__all__ = ["find_raw_row"]

PAGES = 10
"""Pages of the list that are read at most."""

OVERLAP = timedelta(minutes=1)
"""How much earlier than the last activity a walk reads: lists have times of several kinds."""


async def find_raw_row(
    source: Source,
    transport: Transport,
    snapshot: Snapshot,
    state: SourceState | None,
) -> Mapping[str, Any] | None:
    """Return the `row` of a known conversation as the provider shows it now, and whether it is `listed`
    (else it is from a look-up); None if it does not come. Raise SourceError.
    """
    plan = plan_source(source, transport, 0, 1, raw=True)
    conversation = snapshot.conversation
    active = conversation.last_activity_at
    since = None if active is None else active - OVERLAP
    try:
        if state is not None and state.learned:
            plan.provider.set_capabilities(state.learned)
        search = _Search(plan, conversation.id)
        for listed, walk in (
            (True, Walk(plan.provider, Poll(None, since), most=PAGES)),
            (False, LookUpWalk(plan.provider, conversation, "suspect")),
        ):
            while walk.position is not None and search.found is None:
                await step(walk, search.fetch)
            if search.found is not None:
                return {"listed": listed, "row": search.found}
        return None
    finally:
        await plan.close()


class _Search:
    """Fetches pages and remembers the row that is looked for."""

    def __init__(self, plan: SourcePlan, conversation: str) -> None:
        self._plan = plan
        self._conversation = conversation
        self.found: Mapping[str, Any] | None = None

    async def fetch(self, position: Position, *, urgent: bool, motion: MotionName) -> Seen:
        provider = self._plan.provider
        response = await self._plan.send(provider.request(position), urgent=urgent)
        try:
            page = provider.parse(position, response)
        except SourceError:
            raise
        except Exception as error:
            raise broken_plugin(error) from error
        for row in page.rows:
            if row.id == self._conversation and row.raw is not None:
                self.found = row.raw
        return Seen(page, response)
