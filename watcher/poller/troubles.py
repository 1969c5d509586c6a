"""What failures of one source mean: how long to wait, and when to tell people.

Law: told once, after three failed attempts in a row or a refusal, and once when it is over. Where a
graver trouble takes the place of one that was told, that one ends first: the two words alternate.
"""

from __future__ import annotations

import hashlib

from watcher.errors import SourceError, SourceRefused, SourceUnavailable
from watcher.model import rfc3339
from watcher.pipeline import FAILING_AFTER
from watcher.poller.network import Network
from watcher.poller.session import SourceSession
from watcher.poller.sweep import MISSING
from watcher.records import Trouble

__all__ = ["Troubles"]

SCHEMA = "the provider's answers changed: "
"""How the reason of a trouble begins that lasts although requests succeed."""

SLOWEST_RETRY = 300.0
LONGEST_WISH = 3_600.0
"""Seconds that a provider may keep us away with `Retry-After`; then it is asked again."""

CONCERNS = {"verify": "sweep"}
"""What a motion's failures count for: look-ups belong to the sweep that asked for them."""


class Troubles:
    """Counts failed attempts by motion and announces `source.failing` and `source.recovered`."""

    def __init__(self, session: SourceSession, network: Network) -> None:
        self.last_reason = ""
        self._session = session
        self._network = network
        self._failures: dict[str, int] = {}
        self._renewed = False

    async def worked(self, motion: str) -> None:
        """An attempt of this kind went well; the source works again when no kind fails."""
        self._failures.pop(CONCERNS.get(motion, motion), None)
        self._renewed = False
        await self._network.reachable(self._session.plan.name)
        failing = self._session.state.failing
        if failing is None or failing.reason.startswith(SCHEMA) or self._failures:
            return
        await self._recover(failing)

    async def failed(self, motion: str, error: SourceError) -> float:
        """An attempt of this kind failed; gives the seconds until it is worth another."""
        concern = CONCERNS.get(motion, motion)
        failures = self._failures[concern] = self._failures.get(concern, 0) + 1
        self.last_reason = str(error)
        session = self._session
        refused = isinstance(error, SourceRefused)
        if refused and not self._renewed and session.plan.renew():
            self._renewed = True
            session.log.info("the credentials were renewed; trying again")
            return 0.0
        if isinstance(error, SourceUnavailable) and error.connect:
            await self._network.unreachable(session.plan.name)
        elif error.reached:
            await self._network.reachable(session.plan.name)
        session.log.debug("an attempt failed", motion=motion, reason=error.reason, attempt=failures)
        failing = session.state.failing
        told = failing is not None and not failing.reason.startswith(SCHEMA)
        ours = self._network.failing and isinstance(error, SourceUnavailable) and error.connect
        if not told and not ours and (refused or failures >= FAILING_AFTER):
            if failing is not None:
                reason = "a graver trouble takes the place of this one"
                await self._recover(failing, reason, outcome="replaced")
            await self._fail(error.reason, error.remedy)
        return self._pause(error, failures)

    async def judge_schema(
        self, missing: frozenset[str], vanished: frozenset[str], *, whole: bool
    ) -> None:
        """Report keys that vanished from every row at once; their old values stand.

        Only a `whole` listing (a sweep) that has them all again ends the trouble.
        """
        state = self._session.state
        if state.baselined is None:
            return
        gone = sorted((missing - frozenset(state.learned.get(MISSING, ()))) | vanished)
        failing = state.failing
        if gone and failing is None:
            await self._fail(
                f"{SCHEMA}no row has {', '.join(gone)} any more; the old values stand",
                "see whether the provider changed its API, and look for a newer inbox-watcher",
            )
        elif whole and not gone and failing is not None and failing.reason.startswith(SCHEMA):
            await self._recover(failing)

    async def _fail(self, reason: str, remedy: str) -> None:
        now = self._session.clock()
        self._session.log.error("the source fails", reason=reason, remedy=remedy)
        trouble = Trouble(now, reason, remedy)
        await self._session.announce(
            "failing", reason=reason, remedy=remedy, since=now, failing=trouble
        )

    async def _recover(self, failing: Trouble, reason: str = "works again", **extra: str) -> None:
        self._session.log.info("a trouble is over", since=rfc3339(failing.since), reason=reason)
        await self._session.announce(
            "recovered", reason=reason, since=failing.since, extra=extra, failing=None
        )

    def _pause(self, error: SourceError, failures: int) -> float:
        """Give the seconds until the next attempt, with jitter from name and count, not chance."""
        name, poll_every = self._session.plan.name, self._session.plan.poll_every
        digest = hashlib.blake2b(f"{name}#{failures}".encode(), digest_size=2).digest()
        jitter = 0.2 * int.from_bytes(digest, "big") / 65535
        if isinstance(error, SourceRefused):
            return min(SLOWEST_RETRY, max(15.0, 10 * poll_every)) * (0.9 + jitter)
        if isinstance(error, SourceUnavailable) and error.retry_after is not None:
            wish = min(error.retry_after, LONGEST_WISH)
            return max(wish, 0.1) * (1.0 + jitter)  # never earlier than asked
        ceiling = min(SLOWEST_RETRY, max(30.0, 2 * poll_every))
        first = min(poll_every, 5.0)
        return min(ceiling, first * float(2 ** min(failures - 1, 10))) * (0.9 + jitter)
