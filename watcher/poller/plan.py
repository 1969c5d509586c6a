"""What a poller is given: one source's plan.

Rules: values and protocols only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from watcher.mapping import FieldMapping
from watcher.providers import Provider, Request, Response

__all__ = ["Send", "SourcePlan"]


class Send(Protocol):
    """How a request reaches one account: base URL, credentials, budget and limits included.

    Return answers of any status; raise SourceUnavailable, SourceChanged or SourceRefused if no whole
    answer came. `urgent` requests go before others that share the budget.
    """

    async def __call__(self, request: Request, *, urgent: bool) -> Response: ...


async def _nothing() -> None:
    """Close nothing."""


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """One configured account, ready to be polled."""

    name: str
    provider_name: str
    provider: Provider

    send: Send
    """Sends a request to the account."""

    poll_every: float
    """Seconds."""

    sweep_every: float
    """Seconds."""

    mapping: FieldMapping | None = None
    """The setting `fields`."""

    people: Mapping[str, str] | None = None
    """Names by user id; None where the names are those that the provider shows."""

    hold_rows: int = 20
    hold_share: float = 0.1
    """How many conversations, and which share of them, may vanish at once before a sweep is held."""

    most_conversations: int = 1_000_000
    most_bytes: int = 4 * 2**30
    """How many conversations are watched, and how many bytes what is known of them may take."""

    offset: float = 0.0
    """Seconds before the first request, so that sources do not start at once."""

    phase: float = 0.0
    """Seconds after the beginning of a baseline at which the first poll may follow: first looks go before
    second ones, and the polls of many sources are spread over their interval.
    """

    renew: Callable[[], bool] = lambda: False
    """Reads the credentials again after a refusal; returns whether they changed."""

    close: Callable[[], Awaitable[None]] = _nothing
    """Closes the connections that `send` uses."""
