"""A conversation as lists show it."""

from __future__ import annotations

from typing import Any

from watcher.model import Snapshot, rfc3339, to_plain
from watcher.records import Acknowledgement

__all__ = ["plain_conversation", "state_of"]


def state_of(snapshot: Snapshot) -> str:
    """Return how a conversation stands, in a word."""
    conversation = snapshot.conversation
    if not snapshot.present:
        return "removed"
    if conversation.archived:
        return "archived"
    if conversation.waiting_since is not None:
        return "waiting"
    return "unread" if conversation.unread else "read"


def plain_conversation(
    source: str, snapshot: Snapshot, taken: Acknowledgement | None
) -> dict[str, Any]:
    """Return a conversation as plain JSON, with who has taken it."""
    return {
        "source": source,
        "state": state_of(snapshot),
        "observed": rfc3339(snapshot.observed),
        "conversation": to_plain(snapshot.conversation),
        "taken": taken.to_plain() if taken is not None else None,
    }
