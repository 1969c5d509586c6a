"""The decisions: from a page to a commit, from a finished sweep to a verdict, from a result to a
settlement.

Rules: pure. No I/O, no clock, no randomness: `now` is an argument. The code that calls these functions
only carries out what they return.
"""

from __future__ import annotations

from watcher.pipeline.announce import (
    DeadLetter,
    SourceReport,
    announce_dead,
    announce_disk,
    announce_network,
    announce_receiver,
    announce_source,
)
from watcher.pipeline.decide import Decision, Sighting, SourcePolicy, decide, remove
from watcher.pipeline.deliveries import (
    DIGEST,
    Routed,
    as_sent,
    digest_event,
    halves,
    next_repeat,
    rebatch,
    route,
)
from watcher.pipeline.guards import Guards, Send, guard, throttled_by
from watcher.pipeline.sanitize import sanitize
from watcher.pipeline.settle import (
    FAILING_AFTER,
    Policy,
    Room,
    divide,
    room,
    settle,
)
from watcher.pipeline.sweep import decide_hold

__all__ = [
    "DIGEST",
    "FAILING_AFTER",
    "DeadLetter",
    "Decision",
    "Guards",
    "Policy",
    "Room",
    "Routed",
    "Send",
    "Sighting",
    "SourcePolicy",
    "SourceReport",
    "announce_dead",
    "announce_disk",
    "announce_network",
    "announce_receiver",
    "announce_source",
    "as_sent",
    "decide",
    "decide_hold",
    "digest_event",
    "divide",
    "guard",
    "halves",
    "next_repeat",
    "rebatch",
    "remove",
    "room",
    "route",
    "sanitize",
    "settle",
    "throttled_by",
]
