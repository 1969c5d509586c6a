"""The one import of httpx, without its command line: rich and pygments are a megabyte in every daemon."""

from __future__ import annotations

from watcher.without import without

with without("httpx._main"):
    import httpx  # noqa: TID251 - the one import point

__all__ = ["httpx"]
