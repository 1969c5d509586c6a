"""The loop of one source: poll, sweep, verify absence. The only code that fetches.

Law: nothing is decided here that a pure function could decide; see `watcher.pipeline`.
"""

from __future__ import annotations

from watcher.poller.network import Network
from watcher.poller.plan import Send, SourcePlan
from watcher.poller.source import SourcePoller

__all__ = ["Network", "Send", "SourcePlan", "SourcePoller"]
