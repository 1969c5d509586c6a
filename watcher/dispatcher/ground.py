"""What the parts of a dispatcher stand on: the receiver's plan, and the rest of the program.

Law: values and callables only; nothing is done here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from watcher.clock import Clock
from watcher.metrics import Metrics
from watcher.model import Delivery
from watcher.notify import Notifier
from watcher.pipeline import EVERYTHING, Disclosure, Policy
from watcher.records import Recorded
from watcher.rules import Rule, Silence
from watcher.store import Store

__all__ = ["Confirm", "Ground", "Message", "ReceiverPlan"]

Message = list[Delivery]
"""What goes out as one: a delivery, or several as a digest."""

Confirm = Callable[[str, str], Awaitable[bool]]
"""Asks a source about one conversation now and commits what it shows; False if it cannot."""


@dataclass(frozen=True, slots=True)
class ReceiverPlan:
    """One configured receiver, ready to be sent to.

    `target` fingerprints where it points, without showing it. `slots` is how many messages may be
    on the wire at once. `lease` is longer than any attempt can take; what waits before its attempt
    has it renewed. `disclosure` is what of an event it may see.
    """

    name: str
    notifier: Notifier
    policy: Policy
    target: str
    slots: int = 8
    lease: timedelta = timedelta(minutes=5)
    disclosure: Disclosure = EVERYTHING


@dataclass(frozen=True, slots=True)
class Ground:
    """`rules` and `silences` give what is configured at the moment (silences also those that
    people added), `publish` tells of events that were recorded, `wake` another receiver's
    dispatcher that something may be due.
    """

    plan: ReceiverPlan
    store: Store
    rules: Callable[[], tuple[Rule, ...]]
    silences: Callable[[], tuple[Silence, ...]]
    clock: Clock
    publish: Callable[[Sequence[Recorded]], None]
    metrics: Metrics
    confirm: Confirm
    wake: Callable[[str], None]
