"""The judge: is what the watcher told what happened?

Law: reads a finished run, changes nothing. A report is right when it tells states that really
stood, one after the other; a run is complete when every state that stood long enough was told.
"""

from __future__ import annotations

from collections import Counter

from watcher.model import Event

from .chronicle import Chronicle
from .claims import judge_claims
from .complete import Completeness
from .deliveries import judge_deliveries
from .reign import reigns
from .run import Run
from .verdict import Discrepancy

__all__ = ["judge"]

ALTERNATE = (
    ("source.failing", "source.recovered"),
    ("source.held", "source.released"),
    ("watcher.network_failing", "watcher.network_recovered"),
    ("receiver.failing", "receiver.recovered"),
)


def judge(run: Run) -> list[Discrepancy]:
    """Give everything that is wrong with a run, the earliest first."""
    found = [Discrepancy(0.0, f"the daemon crashed:\n{crash}") for crash in run.crashes]
    _log(run, found)
    for reign in reigns(run):
        chronicle = Chronicle(reign, found)
        if chronicle.check():
            judge_claims(chronicle)
            Completeness(chronicle).check()
    judge_deliveries(run, found)
    return sorted(found)


def _log(run: Run, found: list[Discrepancy]) -> None:
    """Nothing that was committed is lost, no id is there twice, states alternate."""
    ids = Counter(recorded.event.id for recorded in run.stored)
    found += [Discrepancy(0.0, f"the id {key} is there twice") for key, n in ids.items() if n > 1]
    if [(r.seq, r.event.body()) for r in run.stored] != [(e.seq, e.event.body()) for e in run.log]:
        found.append(Discrepancy(0.0, "the stored log is not what was committed"))
    for begin, end in ALTERNATE:
        last: dict[str, Event] = {}
        for entry in run.log:
            event = entry.event
            if event.type not in (begin, end):
                continue
            before = last.get(event.source)
            last[event.source] = event
            if event.type == (end if before is None else before.type):
                told = "nothing" if before is None else before.type
                text = f"{event.source}: {event.type} follows upon {told}"
                found.append(Discrepancy(entry.at, text))
    for entry in run.log:
        if entry.event.type == "source.failing":
            spans = run.weather[entry.event.source].unclean
            if not any(start - 1 <= entry.at <= end + 1800 for start, end in spans):
                text = f"{entry.event.source}: failing, though nothing failed: {entry.event.data}"
                found.append(Discrepancy(entry.at, text))
