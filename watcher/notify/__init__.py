"""What a notifier is: code that makes one attempt to send one message, and returns its result.

Rules: a notifier decides nothing. It does not retry, wait, order or remember; the dispatcher calls
it and `watcher.pipeline` settles. This file holds the protocol alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a worker process imports this package for Apprise, and needs none of them
    from watcher.markup import Format
    from watcher.model import Event, Result
    from watcher.records import HttpReply

__all__ = ["Notice", "Notifier", "Post"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for one receiver: the event as it goes out, and its text for people."""

    event: Event
    """The event as the receiver may see it; by `event.id` it drops repeats."""

    title: str
    """One line, rendered by the rule's template or the default one; a webhook ignores it."""

    body: str
    """The text, likewise."""

    at: datetime
    """The present."""

    format: Format | None = None
    """What the template's author wrote the text in, None where the receiver's own setting counts.
    Only the parts that a `watcher.markup.Text` marks as the author's are read as such.
    """

    reached: tuple[str, ...] = ()
    """Fingerprints of addresses that have it already, from the `Result` of an earlier attempt."""

    brief: bool = False
    """Whether it is to go as short plain text, because it was refused before."""

    problem: str = ""
    """Why the text is the default one although the rule has one of its own; for the history."""


class Notifier(Protocol):
    """Sends to one receiver."""

    text: bool
    """Whether it sends the text (title and body) rather than the event itself."""

    async def send(self, notice: Notice) -> Result:
        """Make one attempt. Nothing the other side does raises; may be cancelled."""
        ...

    async def close(self) -> None:
        """Let go of workers and connections."""
        ...


class Post(Protocol):
    """How a webhook reaches the network; `watcher.transport` provides it. Redirects are not followed."""

    async def __call__(
        self, url: str, *, content: bytes, headers: Mapping[str, str], timeout: float
    ) -> HttpReply: ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...
