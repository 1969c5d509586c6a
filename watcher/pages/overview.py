"""The overview: is somebody watching, who waits, what happened.

Rules: whoever has not signed in sees states and counts alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watcher.pages.page import Page, Visit

__all__ = ["PAGES", "verdict"]

WELL = ("ok",)


def verdict(house: Mapping[str, Any]) -> tuple[str, str]:
    """Return the state of the whole and the sentence that says it, of what everybody may know."""
    sources: Mapping[str, int] = house["sources"]
    count = sum(sources.values())
    if not count:
        return "starting", "No source is configured: nothing is watched."
    ok = sources.get("ok", 0)
    parts = [f"{number} {state}" for state, number in sources.items() if state not in WELL]
    receivers = house["receivers"]
    parts += [
        f"{receivers[state]} of {receivers['all']} receivers {words}"
        for state, words in (("failing", "failing"), ("paused", "paused"), ("off", "off"))
        if receivers[state]
    ]
    well = f"{ok} of {count} sources are watched" if count > 1 else f"{ok} of 1 source is watched"
    if not parts and not house["store_failing"]:
        return "ok", f"All is well: {well}."
    return "failing", "; ".join([well, *parts]) + "."


async def show(visit: Visit) -> Mapping[str, Any]:
    """Return what the overview shows."""
    house = await visit.ask("/summary")
    state, sentence = verdict(house)
    return {"state": state, "sentence": sentence}


PAGES: Sequence[Page] = (Page("/", "anybody", "overview.html", "Overview", show, nav=True),)
