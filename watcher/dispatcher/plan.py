"""What a dispatcher is given: one receiver's plan.

Rules: values only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from watcher.model import Delivery
from watcher.notify import Notifier
from watcher.pipeline import Policy
from watcher.redaction import EVERYTHING, Visibility

__all__ = ["Message", "ReceiverPlan"]

Message = list[Delivery]
"""What goes out as one: a delivery, or several as a digest."""


@dataclass(frozen=True, slots=True)
class ReceiverPlan:
    """One configured receiver, ready to be sent to.

    `target` fingerprints where it points, without showing it. `slots` is how many messages may be
    on the wire at once. `lease` is longer than any attempt can take; what waits before its attempt
    has it renewed. `visibility` is what of an event it may see.
    """

    name: str
    notifier: Notifier
    policy: Policy
    target: str
    slots: int = 8
    lease: timedelta = timedelta(minutes=5)
    visibility: Visibility = EVERYTHING
