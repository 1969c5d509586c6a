"""What a notifier is: code that makes one attempt to send one message, and tells what came of it.

Law: a notifier decides nothing. It does not retry, wait, order or remember; the dispatcher calls
it and `watcher.pipeline` settles. This file holds the protocol alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a worker process imports this package for Apprise, and needs none of them
    from watcher.model import Event, Result
    from watcher.records import HttpReply
    from watcher.settings.values import Format

__all__ = ["Notice", "Notifier", "Post"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for one receiver: the event as it goes out, and its text for people.

    `event.id` is what a receiver drops repeats by. `title` and `body` were rendered by the rule's
    template or the default one; a webhook ignores them. `at` is the present. `format` is what the
    template's author wrote them in, None where the receiver's own setting counts; only the parts
    that a `watcher.templates.Text` knows as the author's are read as such. `reached` are the
    fingerprints of addresses that have it already, as the `Result` of an earlier attempt told them.
    """

    event: Event
    title: str
    body: str
    at: datetime
    format: Format | None = None
    reached: tuple[str, ...] = ()


class Notifier(Protocol):
    """Sends to one receiver."""

    text: bool
    """Whether it sends the text (title and body) rather than the event itself."""

    async def send(self, notice: Notice) -> Result:
        """Make one attempt. Never raises for anything the other side does; may be cancelled."""
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
