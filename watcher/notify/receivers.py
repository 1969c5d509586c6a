"""What a kind of receiver is: its settings, which make its plan and answer what commands ask.

Rules: no kind is known here. A kind is one module: a subclass of `Receiver` with its own settings,
and the notifier that its plan has. The entry-point group `watcher.receivers` names the class by
the `type` that it has in the configuration, so a third party adds a kind as we do.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Any, ClassVar, Literal, Self

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from watcher.addresses import EVERYWHERE, AddressFilter
from watcher.markup import Format
from watcher.model import derive_id
from watcher.notify import Notice, Notifier, Post
from watcher.pipeline import Policy
from watcher.redaction import EVERYTHING, RedactedPath, Visibility
from watcher.settings.base import Mistake, Settings
from watcher.settings.durations import parse_duration
from watcher.settings.link import Link
from watcher.settings.values import Duration

__all__ = ["Network", "Receiver", "ReceiverPlan", "fingerprint", "retry_schedule"]


@dataclass(frozen=True, slots=True)
class ReceiverPlan:
    """One configured receiver, ready to be sent to."""

    name: str
    """The receiver's name in the configuration."""

    notifier: Notifier
    """Makes the attempts."""

    policy: Policy
    """When an attempt is repeated, and how many messages the receiver takes."""

    target: str
    """A fingerprint of where it points, which does not reveal it."""

    slots: int = 8
    """How many messages may be on the wire at once."""

    lease: timedelta = timedelta(minutes=5)
    """Longer than any attempt can take; what waits before its attempt has it renewed."""

    zone: tzinfo | None = None
    """The zone of the times in its texts, None for the configuration's."""

    format: Format = "text"
    """What templates for it are written in, where the message does not say."""

    visibility: Visibility = EVERYTHING
    """What of an event the receiver may see."""

    links: bool = True
    """Whether its messages have links that act."""

    kind: str = ""
    """The `type` that it has in the configuration."""


@dataclass(frozen=True, slots=True)
class Network:
    """What a notifier gets from the rest of the program."""

    post_over: Callable[[Link, timedelta], Post]
    """Returns how to post over a link, with the longest time for a connection."""

    scrub: Callable[[str], str] = str
    """Strikes secrets out of what the other side answers, which may quote what it was sent."""

    addresses: Callable[[], AddressFilter] = lambda: EVERYWHERE
    """Returns which addresses may be connected to, for who connects without `post_over`."""


def retry_schedule(*texts: str) -> Any:
    """Return the field of a schedule of retries with its default."""
    return Field(
        default=tuple(map(parse_duration, texts)),
        max_length=100,
        json_schema_extra={"default": list(texts)},
        description="Pauses between attempts, each ±10 %; when they are used up, a delivery is dead.",
    )


def fingerprint(*addresses: str) -> str:
    """Return a name for addresses by which they are known again, too short to be undone."""
    return f"{zlib.crc32(derive_id(*addresses).encode()):08x}"


class Receiver(Settings, ABC):
    """The settings that every receiver has; a kind adds its own and its plan in a subclass."""

    text: ClassVar[bool] = True
    """Whether it sends the text for people (title and body), and not the event itself."""

    name: SkipJsonSchema[str]
    type: str = Field(description="What kind of receiver it is.")
    retry: tuple[Duration, ...] = retry_schedule("5s", "1m", "5m", "30m", "2h")
    redact: tuple[RedactedPath, ...] = Field(
        default=(),
        max_length=100,
        description="Fields of `conversation` that this receiver never sees, such as contact.email.",
    )
    ordering: Literal["strict", "relaxed"] = Field(
        default="strict",
        description="`relaxed` lets later deliveries of a conversation pass one that failed thrice.",
    )

    links: bool = Field(
        default=True,
        strict=True,
        description="Whether messages to it have links (`server.public_url`): who gets one may use it.",
    )

    @abstractmethod
    def plan(self, network: Network) -> ReceiverPlan:
        """Return what a dispatcher needs to send to it."""

    @property
    def visibility(self) -> Visibility:
        """What of an event it may see."""
        return Visibility(redacted=self.redact)

    @property
    def zone(self) -> tzinfo | None:
        """The zone of the times in its texts, None for the configuration's."""
        return None

    @property
    def descriptors(self) -> int:
        """How many descriptors it may need at once: its connections, its workers' pipes."""
        return 8

    def preview(self, notice: Notice, message_id: str) -> Mapping[str, Any]:
        """Return what goes out for a notice, as plain JSON without secrets, for people.

        It is a message with `title` and `body`, or a request with `method`, `url`, `headers` and
        `body`. `message_id` is shown as the id by which the other side drops repeats.
        """
        return {"title": notice.title, "body": notice.body}

    @classmethod
    async def probe(cls, receivers: Sequence[Self]) -> Sequence[tuple[Self, Mistake]]:
        """Return what a closer look finds wrong with receivers of this kind beyond their settings, and
        what is `weak` in them.

        Nothing is sent. The mistakes hold no secret.
        """
        return ()
