"""What a version of Chatwoot can tell: the one place that knows since when.

Rules: pure. Nothing is decided by it, because a proxy may hide the version: walks find out for
themselves what a server can do. It is for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.providers import VERSION, Response
from watcher.providers.answers import json_body

__all__ = ["LEAST", "MILESTONES", "Milestone", "limits", "read_clock", "read_version"]

LEAST = (2, 16)
"""The least version that the watcher supports: the oldest one that it was tried with."""

SHAPE = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-+.][0-9A-Za-z.-]{1,16})?", re.ASCII)
"""A version as Chatwoot and its forks write it. It has no room for anything secret."""


CLOCK = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
"""A time as Rails writes it (`to_fs(:db)`), in UTC."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A version with which something that the watcher sees has changed."""

    since: tuple[int, ...]
    """The first version that is so."""

    what: str
    """What is so since then."""

    before: str = ""
    """What an older server cannot tell; empty where nothing is lost."""

    after: str = ""
    """What this version and newer ones can no longer tell."""


MILESTONES = (
    Milestone(
        (2, 17),
        "rows show `last_activity_at` and `priority` (before: `timestamp` alone)",
        before="priorities are not shown",
    ),
    Milestone(
        (3, 0),
        "rows show `waiting_since`; `unread_count` stops at 10",
        before="the server's own `waiting_since` is not shown: who waits follows from the last message alone",
    ),
    Milestone(
        (3, 4),
        "the list can be walked in order of creation",
        before="no order of the list stands still while it is read: on a busy account a sweep often"
        " misses rows, and a removal takes up to three sweeps",
    ),
    Milestone(
        (3, 6),
        "a poll can ask for what was updated lately (`updated_within`)",
        before="a poll sees new activity alone: custom attributes, an ended snooze, a merged contact and a"
        " renamed label wait for the next sweep",
    ),
    Milestone((4, 0, 2), "rows show `updated_at`"),
    Milestone(
        (4, 1),
        "rows show how the SLA that applies stands (Enterprise edition)",
        before="the status of an SLA is not shown",
    ),
    Milestone((4, 3), "an administrator can delete a single conversation"),
    Milestone(
        (4, 8),
        "a bot can be assigned, and is shown as `bot:<id>`; a team's member may look up what the list hides",
    ),
    Milestone(
        (4, 12),
        "an edited or deleted message no longer moves `updated_at`",
        after="an edited or deleted message moves no time stamp: it waits for the next sweep",
    ),
    Milestone(
        (4, 14),
        "a label that is deleted leaves its conversations",
        before="a label that is deleted stays on its conversations",
    ),
)
"""In order of versions; from Chatwoot's own source at those tags."""


def read_version(response: Response) -> dict[str, str]:
    """Return the version as a capability; nothing where the answer, perhaps a proxy's, tells none."""
    plain = json_body(response) if response.status == 200 else None
    version = plain.get("version") if isinstance(plain, dict) else None
    if not isinstance(version, str) or not SHAPE.fullmatch(version):
        return {}
    return {VERSION: version.removeprefix("v")}


def read_clock(response: Response) -> datetime | None:
    """Return the server's own time in whole seconds, None where the answer does not tell it."""
    plain = json_body(response) if response.status == 200 else None
    told = plain.get("timestamp") if isinstance(plain, dict) else None
    if not isinstance(told, str) or not CLOCK.fullmatch(told):
        return None
    try:
        return datetime.strptime(told, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def limits(version: str | None) -> tuple[str, ...]:
    """Return what a version cannot tell, a sentence each; nothing where the version is not known."""
    match = SHAPE.fullmatch(version or "")
    if match is None:
        return ()
    number = tuple(int(part or 0) for part in match.groups())
    found = [one.before if number < one.since else one.after for one in MILESTONES]
    if number < LEAST:
        least = ".".join(map(str, LEAST))
        found.insert(
            0, f"it is older than {least}, the oldest version that the watcher was tried with"
        )
    return tuple(filter(None, found))
