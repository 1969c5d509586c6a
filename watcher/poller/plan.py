"""What a poller is given: one source's plan, and how it reaches network and store.

Law: values and protocols only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from watcher.mapping import FieldMapping
from watcher.providers import Provider, Request, Response

__all__ = ["Send", "SourcePlan"]


class Send(Protocol):
    """How a request reaches one account: base URL, credentials, budget and limits included.

    Raises SourceUnavailable or SourceChanged where no whole answer came; gives answers of any
    status. `urgent` requests go before others that share the budget.
    """

    async def __call__(self, request: Request, *, urgent: bool) -> Response: ...


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """One configured account, ready to be polled.

    `poll_every` and `sweep_every` are seconds. `offset` seconds pass before the first request, so
    that sources do not start at once. `renew` re-reads the credentials after a refusal and tells
    whether they are other ones now.
    """

    name: str
    provider_name: str
    provider: Provider
    send: Send
    poll_every: float
    sweep_every: float
    mapping: FieldMapping | None = None
    hold_rows: int = 20
    hold_share: float = 0.1
    offset: float = 0.0
    renew: Callable[[], bool] = lambda: False
