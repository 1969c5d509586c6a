"""`python -m tests.bench [MINUTES] [POLL_EVERY]`: print what polls cost, by version and by pace."""

from __future__ import annotations

import logging
import sys
import tempfile
from functools import partial
from pathlib import Path

import anyio
import structlog

from tests.bench.polls import PACES, VERSIONS, Costs, measure
from tests.support.virtual_time import JumpLoop

COLUMNS = (
    "version", "pace", "requests a poll", "rows a poll", "bytes a poll", "rows a change",
    "bytes a change", "largest answer",
)  # fmt: skip


def main(minutes: str = "30", poll_every: str = "30s") -> None:
    """Measure every version at every pace, a table of which is printed line by line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"Polls every {poll_every}, sweeps every 15m (not counted), {minutes} minutes:\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---" * len(COLUMNS) + "|")
    run = partial(measure, seconds=60 * int(minutes), poll_every=poll_every)
    for version, number in VERSIONS.items():
        for pace, rate in PACES.items():
            with tempfile.TemporaryDirectory() as folder:
                options = {"loop_factory": JumpLoop}
                costs = anyio.run(run, Path(folder), number, rate, backend_options=options)
            print(f"| {version} | {pace} | {_figures(costs)} |", flush=True)


def _figures(costs: Costs) -> str:
    polling, polls, changes = costs.polling, costs.polls, costs.changes
    each = [polling.requests / polls, polling.rows / polls, polling.bytes / polls]
    per_change = [polling.rows / changes, polling.bytes / changes] if changes else []
    figures = [f"{each[0]:.2f}", f"{each[1]:.1f}", f"{each[2]:,.0f}"]
    figures += [f"{per_change[0]:.2f}", f"{per_change[1]:,.0f}"] if per_change else ["", ""]
    return " | ".join([*figures, str(polling.largest)])


if __name__ == "__main__":
    main(*sys.argv[1:])
