"""How many bytes of pages all sources together keep between an answer and its commit.

Rules: knows no HTTP and no rows. A page takes several times its size once it is read, and thousands of
sources that all hold one while they wait for the store would be most of the memory that a daemon ever
takes. So a source waits before it asks, and first come, first served; who holds a page waits for nobody. A
request whose answer does not come at once counts no longer, so that slow hosts hold up nobody: their
answers wait when they have come, before they are read, ahead of those that have not asked yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from watcher.clock import loop_time

__all__ = ["EXPECTED", "MOST_HELD", "PATIENCE", "PageGate", "PageShare"]

MOST_HELD = 4 * 2**20
"""Bytes of answers from which on nobody else asks: some dozens of pages, several times what the store takes
in one transaction without getting slower.
"""

EXPECTED = 64 * 2**10
"""Bytes that an answer counts for at least until it has come; that of a source whose last one was larger
counts for as many.
"""

PATIENCE = 0.125
"""Seconds for which it does, so that however slow all hosts are, five hundred requests may be made in a
second.
"""


class PageShare:
    """What one source keeps of it: nothing, the answer that it expects, or one page."""

    __slots__ = ("_expected", "_gate", "size")

    def __init__(self, gate: PageGate) -> None:
        self._gate = gate
        self._expected = EXPECTED
        self.size = 0

    async def ask(self) -> None:
        """Let go what is held, and wait until there is room for another answer."""
        self.leave()
        await self._gate.admit(self, self._expected, expected=True)

    async def hold(self, size: int) -> None:
        """Hold an answer that has come; wait for room if it came late."""
        self._expected = max(EXPECTED, size)  # the next page of a walk is about as large
        if self._gate.came(self):
            self._gate.count(self, size)
        else:
            await self._gate.admit(self, size, expected=False)

    def leave(self) -> None:
        """Let go what is held."""
        self._gate.leave(self)


@dataclass(eq=False, slots=True)
class _Ticket:
    """One that waits."""

    share: PageShare
    size: int
    expected: bool
    turn: asyncio.Future[None]


class PageGate:
    """Who may ask for a page now."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self.held = 0
        """Bytes that count now."""

        self._most = most
        self._asked: dict[
            PageShare, float
        ] = {}  # until when each counts; the first was asked first
        self._line: deque[_Ticket] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def share(self) -> PageShare:
        """Return a source's share."""
        return PageShare(self)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    async def admit(self, share: PageShare, size: int, *, expected: bool) -> None:
        """Wait until there is room, and count it from then on."""
        if not self._line and self._has_room():
            self._let_in(share, size, expected)
            return
        ticket = _Ticket(share, size, expected, asyncio.get_running_loop().create_future())
        if expected:
            self._line.append(ticket)
        else:
            self._line.appendleft(ticket)  # it holds its answer already
        self._go_on()
        try:
            await ticket.turn
        except BaseException:
            if ticket in self._line:
                self._line.remove(ticket)
            else:
                self.leave(share)
            raise

    def came(self, share: PageShare) -> bool:
        """Note that an answer has come; return whether it still counted."""
        return self._asked.pop(share, None) is not None

    def count(self, share: PageShare, size: int) -> None:
        """Count another size for a share than before."""
        self.held += size - share.size
        share.size = size

    def leave(self, share: PageShare) -> None:
        """Count nothing for a share."""
        self._asked.pop(share, None)
        if share.size:
            self.count(share, 0)
        if self._line:
            self._go_on()

    def _let_in(self, share: PageShare, size: int, expected: bool) -> None:
        self.count(share, size)
        if expected:
            self._asked[share] = loop_time() + PATIENCE

    def _has_room(self) -> bool:
        """Return whether one more may be held, whatever its size: the largest page must be possible."""
        if self.held >= self._most:
            now = loop_time()
            while self._asked and next(iter(self._asked.values())) <= now:
                share = next(iter(self._asked))
                del self._asked[share]
                self.count(share, 0)
        return self.held < self._most

    def _go_on(self) -> None:
        """Let in those for whom there is room now; look again when the next request counts no longer."""
        while self._line and self._has_room():
            ticket = self._line.popleft()
            if not ticket.turn.done():
                self._let_in(ticket.share, ticket.size, ticket.expected)
                ticket.turn.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._line and self._asked:
            at = next(iter(self._asked.values()))
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(at, loop.time()), self._go_on)
