"""Tests for people who write plug-ins: the laws of providers and of receivers.

    class TestAcme(ProviderSuite):      # pytest finds the laws as test methods
        rows_path = ("threads",)

        def provider(self, *, raw=False): ...
        def rows(self): ...
        def answer(self, request, rows, size): ...

    class TestBuzz(ReceiverSuite):

        def notifier(self, url): ...

Rules: needs no test framework and nothing of the project's own tests; no other package imports it.
"""

from __future__ import annotations

from watcher.testing.laws import BrokenLaw
from watcher.testing.provider_suite import ProviderSuite
from watcher.testing.purity import watch_purity
from watcher.testing.receiver_suite import ReceiverSuite, SeenRequest, real_network

__all__ = [
    "BrokenLaw",
    "ProviderSuite",
    "ReceiverSuite",
    "SeenRequest",
    "real_network",
    "watch_purity",
]
