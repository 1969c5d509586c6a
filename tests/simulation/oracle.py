"""The judge: is what the watcher told what happened?

Rules: reads a finished run, changes nothing. A report is right when it tells states that really
stood, one after the other; a run is complete when every state that stood long enough was told.
"""

from __future__ import annotations

from collections import Counter

from .chronicle import Chronicle
from .claims import judge_claims
from .complete import Completeness
from .deliveries import judge_deliveries
from .endings import judge_endings
from .late import judge_late
from .reign import reigns
from .run import Run
from .troubles import judge_troubles
from .verdict import Discrepancy
from .waits import judge_waits

__all__ = ["judge"]


def judge(run: Run) -> list[Discrepancy]:
    """Return everything that is wrong with a run, the earliest first."""
    found = [Discrepancy(0.0, f"the daemon crashed:\n{crash}") for crash in run.crashes]
    _log(run, found)
    for reign in reigns(run):
        chronicle = Chronicle(reign, found)
        if chronicle.check():
            judge_claims(chronicle)
            judge_waits(chronicle)
            judge_late(chronicle)
            Completeness(chronicle).check()
    judge_troubles(run, found)
    judge_deliveries(run, found)
    judge_endings(run, found)
    return sorted(found)


def _log(run: Run, found: list[Discrepancy]) -> None:
    """Nothing that was committed is lost, no id is there twice."""
    ids = Counter(recorded.event.id for recorded in run.stored)
    found += [Discrepancy(0.0, f"the id {key} is there twice") for key, n in ids.items() if n > 1]
    if [(r.seq, r.event.body()) for r in run.stored] != [(e.seq, e.event.body()) for e in run.log]:
        found.append(Discrepancy(0.0, "the stored log is not what was committed"))
