"""What people did, when and by what way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watcher.pages.page import Page, Visit

__all__ = ["PAGES"]


async def show(visit: Visit) -> Mapping[str, Any]:
    """Return a page of what people did."""
    return {"list": await visit.ask("/actions", **visit.given("/actions"))}


PAGES: Sequence[Page] = (Page("/actions", "operator", "actions.html", "Actions", show, nav=True),)
