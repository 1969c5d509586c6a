"""What failures of one source mean: how long to wait, and when to tell people.

Law: told once, after three failed attempts in a row or a refusal, and once when it is over.
"""

from __future__ import annotations

import hashlib

from watcher.errors import SourceError, SourceRefused, SourceUnavailable
from watcher.model import rfc3339
from watcher.pipeline import FAILING_AFTER
from watcher.poller.desk import Desk
from watcher.poller.network import Network
from watcher.poller.sweep import MISSING
from watcher.records import Trouble

__all__ = ["Troubles"]

SCHEMA = "the provider's answers changed: "
"""How the reason of a trouble begins that lasts although requests succeed."""

SLOWEST_RETRY = 300.0


class Troubles:
    """Counts failed attempts and announces `source.failing` and `source.recovered`."""

    def __init__(self, desk: Desk, network: Network) -> None:
        self._desk = desk
        self._network = network
        self._failures = 0
        self._renewed = False
        self.last_reason = ""

    async def worked(self) -> None:
        """An attempt went well."""
        self._failures = 0
        self._renewed = False
        await self._network.reachable(self._desk.plan.name)
        failing = self._desk.state.failing
        if failing is not None and not failing.reason.startswith(SCHEMA):
            await self._recover(failing)

    async def failed(self, error: SourceError) -> float:
        """An attempt failed; gives the seconds until the next one."""
        self._failures += 1
        self.last_reason = str(error)
        desk = self._desk
        refused = isinstance(error, SourceRefused)
        if refused and not self._renewed and desk.plan.renew():
            self._renewed = True
            desk.log.info("the credentials were renewed; trying again")
            return 0.0
        if isinstance(error, SourceUnavailable) and error.connect:
            await self._network.unreachable(desk.plan.name)
        desk.log.debug("an attempt failed", reason=error.reason, attempt=self._failures)
        told = desk.state.failing is not None or self._network.failing
        if not told and (refused or self._failures >= FAILING_AFTER):
            await self._fail(error.reason, error.remedy)
        return self._pause(error)

    async def judge_schema(self, missing: frozenset[str], vanished: frozenset[str]) -> None:
        """Report keys that vanished from every row at once; their old values stand."""
        state = self._desk.state
        if state.baselined is None:
            return
        gone = sorted((missing - frozenset(state.learned.get(MISSING, ()))) | vanished)
        failing = state.failing
        if gone and failing is None:
            await self._fail(
                f"{SCHEMA}no row has {', '.join(gone)} any more; the old values stand",
                "see whether the provider changed its API, and look for a newer inbox-watcher",
            )
        elif not gone and failing is not None and failing.reason.startswith(SCHEMA):
            await self._recover(failing)

    async def _fail(self, reason: str, remedy: str) -> None:
        now = self._desk.clock()
        self._desk.log.error("the source fails", reason=reason, remedy=remedy)
        trouble = Trouble(now, reason, remedy)
        await self._desk.announce(
            "failing", reason=reason, remedy=remedy, since=now, failing=trouble
        )

    async def _recover(self, failing: Trouble) -> None:
        self._desk.log.info("the source works again", since=rfc3339(failing.since))
        await self._desk.announce(
            "recovered", reason="works again", since=failing.since, failing=None
        )

    def _pause(self, error: SourceError) -> float:
        """Give the seconds until the next attempt, with jitter from name and count, not chance."""
        name, poll_every = self._desk.plan.name, self._desk.plan.poll_every
        digest = hashlib.blake2b(f"{name}#{self._failures}".encode(), digest_size=2).digest()
        jitter = 0.2 * int.from_bytes(digest, "big") / 65535
        if isinstance(error, SourceRefused):
            return min(SLOWEST_RETRY, max(15.0, 10 * poll_every)) * (0.9 + jitter)
        if isinstance(error, SourceUnavailable) and error.retry_after is not None:
            return max(error.retry_after, 0.1) * (1.0 + jitter)  # never earlier than asked
        ceiling = min(SLOWEST_RETRY, max(30.0, 2 * poll_every))
        first = min(poll_every, 5.0)
        return min(ceiling, first * float(2 ** min(self._failures - 1, 10))) * (0.9 + jitter)
