"""A seed tried: played, judged, and what it covered.

Rules: a function of the seed, but for the seconds that it took.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter

import structlog

from .oracle import judge
from .plan import DAY
from .run import Run, play
from .verdict import Verdict

__all__ = ["digest", "try_seed"]


def try_seed(seed: int, days: float, *, trace: bool = False, threads: bool = False) -> Verdict:
    """Play a seed and judge it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    began = time.perf_counter()
    run = play(seed, days, trace=trace, threads=threads)
    found = judge(run)
    return Verdict(
        seed=seed,
        days=days,
        wrong=[f"at {_clock(one.at)} {one.text}" for one in found],
        digest=digest(run),
        covered=_covered(run),
        faults=sum((weather.counts for weather in run.weather.values()), Counter())
        + Counter(
            {
                f"receiver {kind}": n
                for receiver in run.receivers.values()
                for kind, n in receiver.counts.items()
                if kind
            }
        ),
        deaths=run.causes,
        changes=run.story.done,
        events=Counter(entry.event.type for entry in run.log),
        sources=Counter(source.provider for source in run.plan.sources),
        seconds=time.perf_counter() - began,
        timeline=[f"{_clock(at)} {text}" for at, text in run.trace or ()],
    )


def digest(run: Run) -> str:
    """Fingerprint the event log and what every receiver took."""
    whole = hashlib.sha256()
    for recorded in run.stored:
        whole.update(recorded.event.body())
    for receiver in run.receivers.values():
        for one in receiver.accepted:
            whole.update(f"{one.at:.6f} {one.id}".encode())
            whole.update(one.digest)
    return whole.hexdigest()[:16]


def _covered(run: Run) -> Counter[str]:
    accepted = [one for receiver in run.receivers.values() for one in receiver.accepted]
    return Counter(
        {
            "simulated hours, settling included": int((run.down[-1][0]) / 3600),
            "simulated hours under faults": int(run.plan.seconds / DAY * 24),
            "restarts": run.lives - 1,
            "requests to providers": run.requests,
            "polls": run.polls,
            "sweeps": run.sweeps,
            "events": len(run.log),
            "deliveries taken": len(accepted),
            "deliveries taken twice": len(accepted) - len({one.id for one in accepted}),
            "jumps of our clock": len(run.plan.jumps),
            "runs under a wrong clock": int(run.plan.skew != 0),
            "renewed tokens": len(run.plan.rotations),
        }
    )


def _clock(seconds: float) -> str:
    days, rest = divmod(seconds, DAY)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    return f"day {int(days)} {int(hours):02}:{int(minutes):02}:{rest:06.3f}"
