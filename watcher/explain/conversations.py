"""A conversation as lists show it, and the condition that is about it alone."""

from __future__ import annotations

import json
from typing import Any

from watcher.model import Snapshot, rfc3339, to_plain
from watcher.records import Acknowledgement

__all__ = ["only_about", "plain_conversation", "state_of"]


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


def only_about(source: str, conversation: str) -> str:
    """Return the condition of this conversation, and no other."""
    named, id_ = (json.dumps(one, ensure_ascii=False) for one in (source, conversation))
    return f"source == {named} && conversation.id == {id_}"
