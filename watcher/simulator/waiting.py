"""Who waits for an answer: as the contract counts it, and as Chatwoot's own stamp does.

Rules: pure. The stamp is another idea than ours, and its rules changed over the versions
(`watcher.simulator.versions`), so a state keeps it once for each of `ERAS`; a row shows the one of its
server. Facts were seen on real servers of v3.16.0 and v4.15.1, and read in message.rb and
conversation.rb in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from watcher.simulator.versions import SINCE, Version

__all__ = ["ANSWERS", "NO_STAMPS", "Sender", "Stamps", "cleared", "set_in", "stamped"]

Stamps = tuple[datetime | None, ...]
"""Chatwoot's `waiting_since` in each of `ERAS`."""

Sender = Literal[
    "person", "phone", "greeting", "survey", "bot", "assistant", "rule", "campaign", "nobody"
]
"""Who wrote an outbound message: a person at a desk or in the phone's own app (whose echo names no
sender); the inbox itself (a greeting, out of office, a survey), a bot, Chatwoot's assistant, an
automation rule or a workflow, a campaign, or nobody whom the service names.
"""

ANSWERS: frozenset[Sender] = frozenset({"person", "phone"})
"""Whose message ends a wait."""

CLEARS: Mapping[str, Version] = {
    "person": (0, 0, 0),
    "resolved": SINCE["resolving clears the stamp"],
    "bot": SINCE["a bot clears the stamp"],
    "assistant": SINCE["a bot clears the stamp"],
    "phone": SINCE["a phone clears the stamp"],
}
"""What clears the stamp, and since when: a sender, or resolving."""

ERAS: tuple[Version, ...] = tuple(sorted(set(CLEARS.values())))
"""The versions since which something more clears the stamp."""

NO_STAMPS: Stamps = (None,) * len(ERAS)


def stamped(stamps: Stamps, at: datetime) -> Stamps:
    """Return the stamps after a customer's message, or after a conversation was made."""
    return tuple(stamp or at for stamp in stamps)


def cleared(stamps: Stamps, by: str) -> Stamps:
    """Return the stamps after an outbound message of this sender, or after `resolved`."""
    since = CLEARS.get(by)
    return tuple(
        None if since is not None and era >= since else stamp
        for era, stamp in zip(ERAS, stamps, strict=True)
    )


def set_in(stamps: Stamps, version: Version) -> datetime | None:
    """Return the stamp that a server of this version shows."""
    return [stamp for era, stamp in zip(ERAS, stamps, strict=True) if era <= version][-1]
