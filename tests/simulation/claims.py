"""What a source says of itself: is a baseline whole, and has a hold a reason?

Rules: reads a finished run.
"""

from __future__ import annotations

from .chronicle import Chronicle
from .plan import LIES
from .run import Entry

__all__ = ["judge_claims"]

HOLE = ("always fail", "cannot be read", "cannot be walked whole")
"""How the reason of a hole is told; whatever is behind it is not known."""


def judge_claims(chronicle: Chronicle) -> None:
    _baseline(chronicle)
    for entry in chronicle.reign.of("source.held"):
        _hold(chronicle, entry)


def _baseline(chronicle: Chronicle) -> None:
    """Everything that stood while the baseline was taken is known with it, a hole excepted.

    At Chatwoot a deletion shifts the pages, which hides a row: then nothing can be said.
    """
    reign, since, end = chronicle.reign, chronicle.since, chronicle.baselined
    if _holed(chronicle):
        return
    missing = []
    for subject in reign.account.conversations:
        past = reign.past(subject, mapped=False)
        assert past is not None
        for start, over, there, _ in past.presence():
            if there and since < over <= end and chronicle.kind == "chatwoot":
                return
            if there and start < since and over > end and subject not in chronicle.known:
                missing.append(subject)
    if missing:
        text = f"the baseline lacks {len(missing)} that stood, {missing[0]} for instance"
        chronicle.wrong(end, text)


def _holed(chronicle: Chronicle) -> bool:
    """Return whether a hole was told with the baseline, or would have been but for a death."""
    at = chronicle.baselined
    return any(at <= when <= at + 1 for when in chronicle.run.deaths) or any(
        at <= entry.at <= at + 1 and any(word in entry.event.data["reason"] for word in HOLE)
        for entry in chronicle.reign.of("source.held")
    )


def _hold(chronicle: Chronicle, entry: Entry) -> None:
    """So many came or went, or the listing lied."""
    reign, run, data = chronicle.reign, chronicle.run, entry.event.data
    if "kind" not in data:
        return  # a hole: something failed
    since = entry.at - reign.source.sweep_every - 3600
    if data["kind"] == "absences":
        lies = [kind for at, kind in run.weather[reign.source.name].met if since <= at <= entry.at]
        if any(kind in LIES for kind in lies):
            return
    else:
        since = chronicle.since
    truly = 0
    for subject in reign.account.conversations:
        past = reign.past(subject, mapped=False)
        assert past is not None
        truly += any(
            there == (data["kind"] == "arrivals") and start <= entry.at and over >= since
            and (start > since or not there)
            for start, over, there, _ in past.presence()
        )  # fmt: skip
    if data["count"] > 2 * truly:
        told = f"held for {data['count']} {data['kind']}, in truth {truly}"
        chronicle.wrong(entry.at, told)
