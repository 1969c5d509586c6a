"""A receiver that hangs for an hour delays neither another receiver nor the polls."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import anyio
from starlette.types import Receive, Scope, Send

from tests.scenarios.harness import Harness

INTERVAL = 30.0
"""Seconds between two polls."""


async def hang(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await anyio.sleep(3600)


async def watch(folder: Path, *, hanging: bool) -> tuple[list[float], list[float]]:
    """Return how late each event came to the other receiver, and the polls' times from the start."""
    harness = Harness(folder)
    account = harness.watch("chatwoot", "sales", "1", conversations=12)
    # As patient as the watcher may be told to be, so that all connections hang together.
    other = harness.hear("stuck", "    timeout: 5m\n")
    if hanging:
        harness.others["stuck"] = hang  # type: ignore[assignment]
    harness.rules = "- {name: all, when: 'conversation.*', notify: [stuck, crm]}"
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        for number in range(120):
            for conversation in list(account.conversations.values())[:4]:
                harness.world.message(conversation, f"message {number}")
            await anyio.sleep(30)
    assert other.bodies == [] if hanging else other.bodies != []
    assert len(harness.inbox.bodies) > 120
    late = [
        (at - datetime.fromisoformat(body["time"])).total_seconds()
        for at, body in zip(harness.inbox.times, harness.inbox.bodies, strict=True)
    ]
    polls = [(seen.at - begun).total_seconds() for seen in harness.faults["chatwoot"].log]
    return late, [at for at in polls if at > 0]


async def test_it_changes_other_deliveries_and_polls_by_less_than_a_twentieth_of_their_interval(
    tmp_path: Path,
) -> None:
    late, polls = await watch(tmp_path, hanging=False)
    late_beside, polls_beside = await watch(tmp_path, hanging=True)
    assert len(late) == len(late_beside)
    assert len(polls) == len(polls_beside)
    worst = max(abs(a - b) for a, b in zip(late, late_beside, strict=True))
    shift = max(abs(a - b) for a, b in zip(polls, polls_beside, strict=True))
    print(f"deliveries: {worst:.3f} s, polls: {shift:.3f} s of {INTERVAL:.0f} s")  # noqa: T201
    assert worst < INTERVAL / 20
    assert shift < INTERVAL / 20
