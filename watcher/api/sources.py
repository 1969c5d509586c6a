"""The sources as a list: worst first, in pages, and together by how their names begin.

Rules: pure. A place in the list is how a source stands and its name, so that sources which come, go or change
meanwhile neither repeat nor skip those that stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watcher.archive.cursors import read_source, write_source
from watcher.standing import WORST, Standing

__all__ = ["Group", "chosen", "groups"]

JOINTS = "-_. /"
"""What ends the beginning that names have in common."""

MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class Group:
    """Sources whose names begin alike, and how the worst of them stands."""

    prefix: str
    count: int
    worst: Standing


def chosen(
    standings: Mapping[str, Standing],
    words: str,
    states: Sequence[Standing],
    cursor: str,
    limit: int,
) -> tuple[Sequence[str], str | None]:
    """Return the names of a page, and the cursor of the next one. `words` is a part of the name, or with
    `*` at its end the beginning. Raise CursorError.
    """
    wanted = words.strip().lower()
    ranked = sorted(
        (WORST.index(state), name)
        for name, state in standings.items()
        if _fits(name.lower(), wanted) and (not states or state in states)
    )
    if cursor:
        after = read_source(cursor)
        ranked = [one for one in ranked if one > after]
    more = len(ranked) > limit
    shown = ranked[:limit]
    return [name for _, name in shown], write_source(*shown[-1]) if more else None


def _fits(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else wanted in name


def groups(standings: Mapping[str, Standing]) -> Sequence[Group]:
    """Return those that have several members, the worst first."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for name, state in standings.items():
        ends = [place for joint in JOINTS if (place := name.find(joint)) > 0]
        if ends:
            found[name[: min(ends) + 1]].append(WORST.index(state))
    several = sorted(
        (min(ranks), -len(ranks), one) for one, ranks in found.items() if len(ranks) > 1
    )
    return [Group(one, -count, WORST[rank]) for rank, count, one in several[:MOST_GROUPS]]
