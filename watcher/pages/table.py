"""All pages and forms, in one table; the navigation follows from it.

Rules: a path with a name in it comes after those without.
"""

from __future__ import annotations

from collections.abc import Sequence

from watcher.pages import help as guide
from watcher.pages import overview, signing, sources
from watcher.pages.page import Form, Page

__all__ = ["FORMS", "PAGES"]

PAGES: Sequence[Page] = (*overview.PAGES, *sources.PAGES, *guide.PAGES, *signing.PAGES)

FORMS: Sequence[Form] = (*sources.FORMS,)
