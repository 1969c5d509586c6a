"""The decisions: from a page to a commit, from a finished sweep to a verdict, from a result to a
settlement.

Law: pure. No I/O, no clock, no randomness: `now` is an argument. Whoever calls these functions
only carries out what they return.
"""

from __future__ import annotations

from watcher.pipeline.absence import (
    SweepVerdict,
    decide_hold,
    judge_absences,
    judge_arrivals,
)
from watcher.pipeline.announce import announce_network, announce_receiver, announce_source
from watcher.pipeline.border import admit
from watcher.pipeline.decide import Decision, Look, Watch, decide, remove, route
from watcher.pipeline.disclosure import EVERYTHING, Disclosure, disclose
from watcher.pipeline.doubt import value_at
from watcher.pipeline.settle import (
    FAILING_AFTER,
    Policy,
    Room,
    judge_receiver,
    room,
    settle,
)

__all__ = [
    "EVERYTHING",
    "FAILING_AFTER",
    "Decision",
    "Disclosure",
    "Look",
    "Policy",
    "Room",
    "SweepVerdict",
    "Watch",
    "admit",
    "announce_network",
    "announce_receiver",
    "announce_source",
    "decide",
    "decide_hold",
    "disclose",
    "judge_absences",
    "judge_arrivals",
    "judge_receiver",
    "remove",
    "room",
    "route",
    "settle",
    "value_at",
]
