"""Has the provider's API changed? What all rows lost together with its key.

Rules: pure. Other rows settle whether a key is gone. What a single row lost, though it has the key or
though others have it, is `watcher.pipeline.torn`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from watcher.model import Conversation, Observation, Snapshot

__all__ = ["MISSING", "undated", "value_at", "vanished", "without"]

MISSING = "missing_from_the_start"
"""Where a source's state keeps the raw keys that no row of its baseline had."""

VANISHED_AT = 2
"""How many known values must vanish together, from a page that has none, to suspect the API."""


def undated(row: Observation) -> bool:
    """Return whether the row does not show when the provider created it."""
    return row.fields.get("created_at") is None


def vanished(
    known: Mapping[str, Snapshot],
    rows: Iterable[Observation],
    doubted: frozenset[str] = frozenset(),
) -> frozenset[str]:
    """Return the paths whose raw key no row of the page has, although several known rows had values
    (for paths that are `doubted` already, one is enough).
    """
    rows = list(rows)
    candidates = frozenset.intersection(*(row.absent for row in rows)) if rows else frozenset()
    lost = {
        path: sum(
            1
            for row in rows
            if (snapshot := known.get(row.id)) is not None
            and snapshot.present
            and value_at(snapshot.conversation, path) not in (None, row.fields.get(path))
        )
        for path in candidates
    }
    return frozenset(
        path for path, count in lost.items() if count >= (1 if path in doubted else VANISHED_AT)
    )


def value_at(conversation: Conversation, path: str) -> Any:
    """Return what a conversation holds under a leaf path."""
    head, _, leaf = path.partition(".")
    value = getattr(conversation, head)
    if not leaf:
        return value
    return value.get(leaf) if head == "attributes" else getattr(value, leaf)


def without(row: Observation, paths: frozenset[str]) -> Observation:
    """Return the row as if it had not shown these paths."""
    kept = {path: value for path, value in row.fields.items() if path not in paths}
    return dataclasses.replace(row, fields=kept)
