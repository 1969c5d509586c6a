"""Links in messages: what one says, and the signature by which it is known again.

Rules: pure; `now` is an argument. A link is about one conversation and does one thing; what it says is signed
and not hidden: it holds ids and names of the configuration alone, nothing of a contact or a message. Whoever
has a link may use it, until it ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from watcher.errors import WatcherError
from watcher.signing import read_signed, signed

__all__ = ["LinkAction", "LinkRefused", "LinkScope", "Links", "read_token", "sign"]

LinkAction = Literal["ack", "silence", "why", "open"]
"""What a link is for: taking a conversation, silencing it, or showing why somebody was told, or how it
stands.
"""

_PURPOSE = b"inbox-watcher link 1"


class LinkRefused(WatcherError):
    """A link is not one of ours, or has ended at `ended`."""

    def __init__(self, message: str, ended: datetime | None = None) -> None:
        self.ended = ended
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class LinkScope:
    """What one link is about, and nothing else."""

    action: LinkAction
    source: str
    conversation: str
    event: str
    """The id of the event that was told of."""

    receiver: str
    """Who was told."""

    rule: str
    """By which rule."""

    ends: int
    """Until when it works, in seconds since 1970."""

    @property
    def until(self) -> datetime:
        """Until when it works."""
        return datetime.fromtimestamp(self.ends, UTC)


def sign(scope: LinkScope, key: bytes) -> str:
    """Return the token of a link: what it says, and its signature; the same for the same."""
    said = json.dumps(astuple(scope), separators=(",", ":"), ensure_ascii=False).encode()
    return signed(said, key, _PURPOSE)


def read_token(token: str, keys: Sequence[bytes], now: datetime) -> LinkScope:
    """Return what a token says that one of these keys has signed; raise LinkRefused."""
    found = read_signed(token, keys, _PURPOSE)
    if found is None:
        raise LinkRefused("this link is not valid: a part of it is missing or changed")
    scope = LinkScope(*json.loads(found[0]))
    if scope.until <= now:
        raise LinkRefused("this link has ended", scope.until)
    return scope


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links: from the address by which people reach the server, the key that signs, and how long
    each action's links work.
    """

    base: str
    """Without a slash at its end."""

    key: bytes
    lasts: Mapping[LinkAction, timedelta]

    def about(
        self, source: str, conversation: str, event: str, receiver: str, rule: str, since: datetime
    ) -> dict[str, str]:
        """Return the address of each action's link in a message that was owed since a time. The same
        message has the same links at every attempt.
        """
        ends = {each: int((since + last).timestamp()) for each, last in self.lasts.items()}
        scopes = {
            each: LinkScope(each, source, conversation, event, receiver, rule, ends[each])
            for each in get_args(LinkAction)
            if each in ends
        }
        return {each: f"{self.base}/do/{sign(scope, self.key)}" for each, scope in scopes.items()}
