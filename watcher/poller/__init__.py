"""The loop of one source: poll, sweep, look up what is missing. The daemon's only code that fetches.

    source        the loop: what is due, carried out
    schedule      when it is due (pure)
    walks         where a walk stands after each page; the one page loop
    session       fetch a page, have it decided, commit it
    network       is it our own network that fails?
    request_plan  what a source will ask of its provider

Rules: what a pure function can decide is decided in `watcher.pipeline`.
"""

from __future__ import annotations

from watcher.poller.network import Network
from watcher.poller.plan import Send, SourcePlan
from watcher.poller.source import SourcePoller

__all__ = ["Network", "Send", "SourcePlan", "SourcePoller"]
