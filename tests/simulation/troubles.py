"""Failure is an event: was every lasting trouble told, once, for a reason, and its end?

Rules: reads a finished run.
"""

from __future__ import annotations

from collections import defaultdict

from .plan import Window
from .run import Run
from .verdict import Discrepancy
from .weather import AFTER

__all__ = ["judge_troubles"]

ALTERNATE = (
    ("source.failing", "source.recovered"),
    ("source.held", "source.released"),
    ("watcher.network_failing", "watcher.network_recovered"),
    ("receiver.failing", "receiver.recovered"),
)
OVER_AT_THE_END = ("source.failing", "watcher.network_failing")
"""What nobody may be told of as lasting after the quiet hours. A hold may wait for a person, and a
receiver that is turned off for somebody who turns it on."""

PLAIN = frozenset(
    {
        "refuse", "reset", "hang", "http_401", "http_403", "http_429", "http_500", "http_502",
        "http_503", "wait_429", "wait_503", "html_200", "html_502", "nothing",
    }
)  # fmt: skip
"""Kinds of window in which no request of a source succeeds."""

LONGEST_WISH = 1.3 * 600
"""Seconds that a refusal of the weather asks to wait for at most, with jitter."""

SLOWEST = 61.0
"""Seconds after which an answer that does not come is given up."""

TRIES = 4
"""Attempts after which a failure is told (the contract's three), and one that began before it."""

Spans = list[tuple[float, float]]


def judge_troubles(run: Run, found: list[Discrepancy]) -> None:
    """Add what is wrong with how the run told its troubles."""
    lasting = _alternate(run, found)
    _reasons(run, found)
    for kind in OVER_AT_THE_END:
        for (begun, source), spans in lasting.items():
            if begun == kind and spans[-1][1] == float("inf"):
                text = f"{source}: {kind} of {spans[-1][0]:.0f} is never over"
                found.append(Discrepancy(run.down[-1][0], text))
    for window in run.plan.windows:
        for source in run.plan.sources:
            if window.kind in PLAIN and window.source in (None, source.name):
                _told(run, window, source.name, lasting, found)


def _alternate(run: Run, found: list[Discrepancy]) -> dict[tuple[str, str], Spans]:
    """Return from when to when each trouble was told to last, by its type and whose it is."""
    lasting: dict[tuple[str, str], Spans] = defaultdict(list)
    for begin, end in ALTERNATE:
        last: dict[str, str] = {}
        for entry in run.log:
            event = entry.event
            if event.type not in (begin, end):
                continue
            before, last[event.source] = last.get(event.source), event.type
            if event.type == (before or end):
                text = f"{event.source}: {event.type} follows upon {before or 'nothing'}"
                found.append(Discrepancy(entry.at, text))
            spans = lasting[begin, event.source]
            if event.type == begin:
                spans.append((entry.at, float("inf")))
            elif spans:
                spans[-1] = (spans[-1][0], entry.at)
    return lasting


def _reasons(run: Run, found: list[Discrepancy]) -> None:
    """A source fails where something failed."""
    for entry in run.log:
        if entry.event.type == "source.failing":
            spans = run.weather[entry.event.source].unclean
            if not any(start - 1 <= entry.at <= end + 1800 for start, end in spans):
                text = f"{entry.event.source}: failing, though nothing failed: {entry.event.data}"
                found.append(Discrepancy(entry.at, text))


def _told(
    run: Run,
    window: Window,
    source: str,
    lasting: dict[tuple[str, str], Spans],
    found: list[Discrepancy],
) -> None:
    """A source of which every request fails for long is told of, or the network is."""
    if any(
        other.kind not in PLAIN
        and other.source in (None, source)
        and other.start < window.end
        and window.start < other.end
        for other in run.plan.windows
    ):
        return  # meanwhile requests may succeed
    longest = max(one.poll_every for one in run.plan.sources if one.name == source)
    pause = LONGEST_WISH if window.kind.startswith("wait") else AFTER
    need = longest + LONGEST_WISH + TRIES * (pause + SLOWEST)
    told = [
        span
        for (kind, whose), spans in lasting.items()
        if kind == "watcher.network_failing" or (kind, whose) == ("source.failing", source)
        for span in spans
    ]
    end = min(window.end, run.plan.seconds)
    for start, over in _lives(run, window.start, end):
        if over - start > need and not any(a < over and start < b for a, b in told):
            text = f"{source}: {window.kind} lasts from {start:.0f} to {over:.0f}, untold"
            found.append(Discrepancy(start, text))


def _lives(run: Run, start: float, end: float) -> Spans:
    """Return the parts of a time in which one process lived under one configuration: a failure is
    counted by it.
    """
    parts, at = [], start
    for down, up in sorted(run.down):
        if at < down < end:
            parts.append((at, down))
        if down < end:
            at = max(at, up)
    return [*parts, (at, end)] if at < end else parts
