"""Every event type of every provider, once per change, with right sides: the receiver's log is
compared with the world's truth, event by event.
"""

from __future__ import annotations

from random import Random
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.simulator import lively

PROVIDERS = ("leadping", "highlevel", "leadway", "chatwoot")

SHOWN = {
    "leadping": {
        "created", "unread", "read", "message", "archived", "unarchived", "status_changed",
        "disposition_changed", "contact_changed", "updated", "removed",
    },
    "highlevel": {
        "created", "unread", "read", "message", "waiting", "answered", "assigned", "reassigned",
        "unassigned", "archived", "unarchived", "labels_changed", "contact_changed", "updated", "removed",
    },
    "chatwoot": {
        "created", "unread", "read", "message", "waiting", "answered", "assigned", "reassigned",
        "unassigned", "team_changed", "archived", "unarchived", "status_changed", "labels_changed",
        "priority_changed", "contact_changed", "updated", "removed",
    },
}  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_each_change_is_reported_once_with_right_sides(
    harness: Harness, provider: str
) -> None:
    harness.poll_every, harness.sweep_every = "1m", "1m"
    account = harness.watch(provider, "sales", "1", conversations=30)
    async with harness.running():
        await harness.baseline()
        script = lively(harness.world, Random(3))
        for _ in range(120):
            script.step()
            await anyio.sleep(150)
        await anyio.sleep(300)
    assert harness.got() == harness.expect()
    kinds = {kind.removeprefix("conversation.") for _, kind, _, _ in harness.got()}
    assert kinds == SHOWN[account.kind]
    assert all(faults.forbidden == [] for faults in harness.faults.values())


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_baseline_reports_nothing_but_itself(harness: Harness, provider: str) -> None:
    harness.watch(provider, "sales", "1", conversations=130)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(1200)
    assert [body["type"] for body in harness.inbox.bodies] == ["source.baselined"]


async def test_several_accounts_of_all_providers_at_once(harness: Harness) -> None:
    harness.poll_every = "2m"
    for number, provider in enumerate(PROVIDERS * 2):
        harness.watch(provider, f"s{number}", f"{number + 1}", conversations=12)
    async with harness.running():
        await harness.baseline()
        script = lively(harness.world, Random(5))
        for _ in range(50):
            script.step()
            await anyio.sleep(330)
        await anyio.sleep(900)
    assert harness.got() == harness.expect()


async def test_each_before_is_the_previous_after(harness: Harness) -> None:
    harness.poll_every = "2m"
    harness.watch("chatwoot", "sales", "1", conversations=5)
    async with harness.running():
        await harness.baseline()
        script = lively(harness.world, Random(8))
        for _ in range(50):
            script.step()
            await anyio.sleep(330)
        await anyio.sleep(900)
    last: dict[tuple[str, str], Any] = {}
    for body in harness.inbox.conversations:
        for name, sides in body["data"]["changes"].items():
            key = (body["subject"], name)
            if key in last and name != "unread_count":
                assert sides["before"] == last[key], (body["type"], name)
            last[key] = sides["after"]
