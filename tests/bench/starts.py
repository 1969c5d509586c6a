"""(i) What it takes to start `--help`, `status` and `events` beside a running watcher.

Each is compared with `python -c pass` of the same environment, in turn.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from tests.bench.figures import Figure, Measured, Scale
from tests.bench.processes import Service, Watcher, timed

GOALS = {"--help": 250, "--version": 250, "status": 350, "events --json": 350, "check": None}
"""Milliseconds by the clock."""


def measure(scale: Scale) -> Iterator[Measured]:
    """Start each command in turn."""
    with ExitStack() as stack:
        service = stack.enter_context(Service(accounts=20))
        accounts = {f"a{number}": (service.base, number) for number in range(1, 21)}
        watcher = stack.enter_context(Watcher(accounts, f"{service.base}/hook", poll_every="2s"))
        watcher.ready(60)
        service.change("message", everything=True)
        time.sleep(10)
        configured = ["--config", str(watcher.configuration)]
        commands = {"pass": [sys.executable, "-c", "pass"]}
        for name in GOALS:
            options = [] if name.startswith("--") else configured
            commands[name] = [*watcher.command, *name.split(), *options]
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(scale.number("rounds", 9, 3)):
            for name, command in commands.items():
                found[name].append(timed(command, watcher.folder))
        for name, goal in GOALS.items():
            pairs = list(zip(found[name], found["pass"], strict=True))
            cpu = tuple(one[1] / bare[1] for one, bare in pairs)
            yield Measured(name, "CPU, in starts of Python", cpu, "×")
            yield Measured(name, "CPU", tuple(1000 * one[1] for one, _ in pairs), "ms", goal)
            clock = tuple(1000 * one[0] for one, _ in pairs)
            yield Measured(name, "time", clock, "ms", goal, clock=True)


FIGURES = (
    Figure(
        "i",
        "starts",
        "starts of `--help`, `status` and `events`",
        measure,
        {"rounds": "starts of each"},
    ),
)
