"""Chatwoot's versions: what each of them can, and which keys its rows have.

Rules: pure; two tables and questions about them. An account has the version that its server runs now
(`World.install` puts another in its place); rows, queries, look-ups, the world's mutations and the truth
ask here. Facts are from the tags of Chatwoot's source, and were seen on servers of v2.16.0, v3.16.0 and
v4.15.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

__all__ = ["KEYS", "NEWEST", "SINCE", "Ability", "Version", "can", "read_version", "written"]

Version = tuple[int, int, int]

NEWEST: Version = (4, 15, 1)
"""What a server runs unless another version is installed."""

Ability = Literal[
    "priorities", "counts unread to ten", "shows the last line alone", "orders", "windows",
    "blocked contacts", "resolving clears the stamp", "a team member looks up", "assignee types",
    "a bot clears the stamp", "a phone clears the stamp", "edits move nothing", "strips labels",
    "order by unread",
]  # fmt: skip

SINCE: Mapping[Ability, Version] = {
    "priorities": (2, 17, 0),
    "counts unread to ten": (3, 0, 0),
    "shows the last line alone": (3, 0, 0),
    "orders": (3, 4, 0),
    "windows": (3, 6, 0),
    "blocked contacts": (4, 0, 2),
    "resolving clears the stamp": (4, 4, 0),
    "a team member looks up": (4, 8, 0),
    "assignee types": (4, 8, 0),
    "a bot clears the stamp": (4, 10, 0),
    "a phone clears the stamp": (4, 11, 0),
    "edits move nothing": (4, 12, 0),
    "strips labels": (4, 14, 0),
    "order by unread": (4, 15, 0),
}
"""Since when a server can, or does, each of these things."""

KEYS: Mapping[str, Version] = {
    "last_activity_at": (2, 17, 0),
    "priority": (2, 17, 0),
    "uuid": (2, 18, 0),
    "waiting_since": (3, 0, 0),
    "sla_policy_id": (3, 7, 0),
    "updated_at": (4, 0, 2),
}
"""Since when a row has each of these keys; the others were always there."""


def can(version: Version, ability: Ability) -> bool:
    """Return whether a server of this version can do this."""
    return version >= SINCE[ability]


def read_version(text: str) -> Version:
    """Read `v3.16`, `4.15.1` and the like; raises ValueError for anything else."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
    if found is None:
        raise ValueError(f"{text} is not a version such as v3.16 or 4.15.1")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def written(version: Version) -> str:
    """Return the version as `GET /api` tells it."""
    return ".".join(map(str, version))
