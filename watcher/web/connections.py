"""The connections of one listener: few, and none that waits for ever.

Rules: a newcomer takes the place of the connection that has waited longest without being asked anything, so
that whoever asks at once is answered at once, however many others say nothing. Where all are being
answered, the newcomer goes. Each step of a request has its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any, Literal

import structlog

from watcher import descriptors
from watcher.logs import rarely
from watcher.web.library import H11Protocol, RequestResponseCycle

__all__ = ["BODY_WITHIN", "FEW", "HEADER_WITHIN", "MOST", "TAKEN_WITHIN", "BoundedConnection"]

MOST, FEW = 64, 16
"""Connections of a listener, and those while the process has few descriptors left."""

HEADER_WITHIN, BODY_WITHIN, TAKEN_WITHIN = 5.0, 30.0, 30.0
"""Seconds for a request's header to come whole, for its body, and for the answer to be taken."""

FIRST = 65_536
"""Bytes of a request that are read as a connection is made; the rest is read in its turn."""

Phase = Literal["idle", "taking", "body", "answering"]
"""Waits for a header; for an answer to be taken; for a body; for the application, which has its own times."""

_WITHIN: dict[Phase, float] = {
    "idle": HEADER_WITHIN,
    "taking": TAKEN_WITHIN,
    "body": BODY_WITHIN,
}


class BoundedConnection(H11Protocol):
    """uvicorn's connection with a bound and deadlines; `server_state.connections` has all of a listener."""

    transport: asyncio.Transport
    _since = 0.0
    _phase: tuple[RequestResponseCycle | None, Phase] | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()
        # Whoever has asked already is answered, however many come within this turn of the event loop.
        descriptor = transport.get_extra_info("socket").fileno()
        with contextlib.suppress(OSError):
            if said := os.read(descriptor, FIRST):
                self.data_received(said)
        self._make_room(descriptor)

    def handle_events(self) -> None:
        super().handle_events()
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    @property
    def waits(self) -> bool:
        """Whether nothing is being answered that was asked over it."""
        return self.cycle is None or self.cycle.response_complete

    def _look(self) -> None:
        """Begin the time of a step that has begun; what trickles in does not prolong it."""
        step: Phase
        if not self.waits:
            step = "body" if self.cycle.more_body else "answering"
        else:
            step = "taking" if self.transport.get_write_buffer_size() else "idle"
        if self._phase == (self.cycle, step):
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._phase, self._since = (self.cycle, step), self.loop.time()
        within = _WITHIN.get(step)
        self._deadline = self.loop.call_later(within, self._end) if within is not None else None

    def _end(self) -> None:
        # `close` would wait for an answer to be taken that nobody takes.
        self.connections.discard(self)
        self.transport.abort()

    def _make_room(self, descriptor: int) -> None:
        scarce = descriptors.scarce(descriptor)
        most = FEW if scarce else MOST
        others = [
            one
            for one in self.connections
            if isinstance(one, BoundedConnection) and one is not self and one.waits
        ]
        others.sort(key=lambda one: one._since)
        for one in [*others, self][: max(0, len(self.connections) - most)]:
            one._end()
            rarely(
                structlog.get_logger().warning,
                "connections are closed: the process has few descriptors left"
                if scarce
                else "connections are closed: there are too many",
                listener=_name(self.server),
                most=most,
            )


def _name(server: Any) -> str:
    return f"{server[0]}:{server[1]}" if server is not None else "the control socket"
