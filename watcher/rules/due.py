"""A message that is due, and what may keep it from going out now.

Rules: values only. The keys that depend on the time or on other messages (`hours`, `throttle`) are
asked when a message is due, not when its event is routed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from watcher.model import Delivery
from watcher.records import ThrottleMark

__all__ = ["Drop", "DueMessage", "Redirect", "Verdict", "Wait"]


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A delivery that is due, as the keys of a rule see it."""

    delivery: Delivery

    rule: str
    """The name of the rule that is asked."""

    marks: Mapping[tuple[str, str], ThrottleMark]
    """What throttles left at the receiver, by rule and `by`."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """It is held until then."""

    until: datetime
    note: str

    batch: str = ""
    """What it goes out with as one message; empty where it goes out alone."""


@dataclass(frozen=True, slots=True)
class Drop:
    """It is not sent."""

    kind: Literal["throttled", "silenced", "dropped"]
    note: str

    silence: str = ""
    """The name of the silence that stopped it."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another receiver gets it instead."""

    receiver: str
    note: str


Verdict = Wait | Drop | Redirect
