"""Help: what the words mean, which events there are, and what each configured provider never shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watcher.catalogue.events import EVENTS
from watcher.pages.page import Page, Visit

__all__ = ["PAGES"]

WORDS: Mapping[str, str] = {
    "Source": "one account at an inbox service that is watched",
    "Look": "a poll, which reads what changed lately, or a sweep, which reads everything",
    "Sweep": "reading a whole inbox; what it proves is told even where polls missed it",
    "Held": "a sweep that looks wrong, such as one that lacks most conversations; nothing of it is told until"
    " the next sweep agrees or a person decides",
    "Waiting": "the customer wrote last and nobody has answered",
    "Event": "something that changed in a conversation; it is recorded whether anybody is told or not",
    "Rule": "says who is told of which events, and when",
    "Delivery": "one event for one receiver, until it arrived or was given up",
    "Dead": "a delivery that was given up after all attempts; it can be sent again",
    "Silence": "a time in which nobody is told of what matches",
    "Late": "a change that happened while nobody could look; it is told when it is found",
}


async def show(_visit: Visit) -> Mapping[str, Any]:
    """Return what the page shows."""
    return {"words": WORDS, "types": [(one.name, _meaning(one.title)) for one in EVENTS.values()]}


def _meaning(title: str) -> str:
    """Return what a title says without whom it is about."""
    return title.partition(": {")[0].replace("{source}", "…")


PAGES: Sequence[Page] = (Page("/help", "anybody", "help.html", "Help", show, nav=True, live=False),)
