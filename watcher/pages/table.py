"""All pages and forms, in one table; the navigation follows from it.

Rules: a path with a name in it comes after those without.
"""

from __future__ import annotations

from collections.abc import Sequence

from watcher.pages import (
    actions,
    conversations,
    deliveries,
    events,
    overview,
    receivers,
    rules,
    signing,
    silences,
    sources,
)
from watcher.pages import help as guide
from watcher.pages.page import Form, Page

__all__ = ["FORMS", "PAGES"]

PAGES: Sequence[Page] = (
    *overview.PAGES,
    *conversations.PAGES,
    *events.PAGES,
    *deliveries.PAGES,
    *sources.PAGES,
    *receivers.PAGES,
    *rules.PAGES,
    *silences.PAGES,
    *actions.PAGES,
    *guide.PAGES,
    *signing.PAGES,
)

FORMS: Sequence[Form] = (
    *sources.FORMS,
    *conversations.FORMS,
    *deliveries.FORMS,
    *receivers.FORMS,
    *silences.FORMS,
)
