"""A closer look at receivers than their settings allow: each kind looks at its own.

Rules: nothing is sent. Kinds may take seconds, and bound that themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from watcher.config.files import Places
from watcher.errors import Problem
from watcher.notify.receivers import Receiver

__all__ = ["CloserInspection", "probe"]


@dataclass(frozen=True, slots=True)
class CloserInspection:
    """What was found, in the order of the files."""

    problems: tuple[Problem, ...]
    """What is wrong."""

    weak: tuple[Problem, ...]
    """What works and weakens protection."""


async def probe(receivers: Sequence[Receiver], places: Places) -> CloserInspection:
    """Have each kind of receiver look at all of its receivers."""
    by_kind: dict[type[Receiver], list[Receiver]] = {}
    for one in receivers:
        by_kind.setdefault(type(one), []).append(one)
    found: dict[bool, list[Problem]] = {True: [], False: []}
    for kind, ones in by_kind.items():
        for receiver, mistake in await kind.probe(ones):
            message = mistake.message.replace("{what}", f"the receiver `{receiver.name}`")
            place = places.of_receiver(receiver.name, mistake.loc)
            found[mistake.weak].append(place.problem(message, mistake.remedy))
    return CloserInspection(places.in_order(found[False]), places.in_order(found[True]))
