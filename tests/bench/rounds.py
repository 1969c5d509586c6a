"""Rounds of a running watcher, beside which bare clients make the same requests in the same rhythm.

The service notes what the watcher asks and posts in a round. In the next one every bare client does exactly
that, evenly over the same seconds, while the watcher goes on: a request in a poller's rhythm costs several
times one in a burst, because caches are cold and each answer wakes the process alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.figures import Measured
from tests.bench.processes import Bare, Service, Watcher, cpu_of

__all__ = ["Round", "ratios", "rounds"]


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to."""

    seconds: float
    cpu: float
    """Seconds of CPU of the watcher and its children."""

    requests: int
    covered: int
    """Conversations that its requests were about: a poll of what was updated covers all of its account's."""

    posts: int
    bare: dict[str, float]
    """Seconds of CPU a request, by bare client."""

    @property
    def each(self) -> float:
        """Seconds of CPU for each request and post."""
        return self.cpu / max(1, self.requests + self.posts)


def rounds(
    watcher: Watcher,
    service: Service,
    bare: dict[str, Bare],
    *,
    count: int,
    seconds: float,
    act: Callable[[], None] = lambda: None,
) -> Iterator[Round]:
    """Yield so many rounds; `act` is done in each of them, by the one who changes something."""
    job: dict[str, Any] | None = None
    service.read(clear=True)
    for number in range(count + 1):  # the first is for what is asked alone
        cpu, began = cpu_of(watcher.pid), time.monotonic()
        if job is not None:
            for client in bare.values():
                client.begin(**job)
        act()
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        used, took = cpu_of(watcher.pid) - cpu, time.monotonic() - began
        told = service.read(clear=True)
        spent = {name: one.end() for name, one in bare.items()} if job is not None else {}
        watcher.check()
        posts = [body for _, body in told["posts"]]
        if number:
            yield Round(
                seconds=took, cpu=used, requests=told["requests"], covered=told["covered"],
                posts=len(posts),
                bare={name: one["cpu"] / max(1, one["requests"]) for name, one in spent.items()},
            )  # fmt: skip
        job = {
            "base": service.base, "hook": f"{service.base}/hook", "over": seconds,
            "questions": told["questions"], "posts": posts,
        }  # fmt: skip


def ratios(case: str, found: list[Round], most: float | None) -> Iterator[Measured]:
    """Yield what a request of the watcher costs in terms of each bare client's; `most` is the goal for the
    client that it uses itself.
    """
    for name in found[0].bare:
        samples = tuple(one.each / one.bare[name] for one in found)
        goal = most if name == "direct" else None
        yield Measured(case, f"CPU, in bare requests of {name}", samples, "×", goal)
    yield Measured(case, "CPU a request", tuple(1000 * one.each for one in found), "ms")
    if {"direct", "httpx"} <= found[0].bare.keys():
        halves = tuple(one.bare["direct"] / one.bare["httpx"] for one in found)
        yield Measured(case, "the client itself, in bare requests of httpx", halves, "×", 0.5)
