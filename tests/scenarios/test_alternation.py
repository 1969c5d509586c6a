"""Failing and recovered, held and released take turns, whatever comes between."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.simulator import Fault, faults

FAILS, WORKS = "source.failing", "source.recovered"
ANOTHER = "another account is watched under this name"


def told(harness: Harness, *without: str) -> list[tuple[str, Any]]:
    """Return type and reason of what the receiver heard about sources."""
    return [
        (body["type"], body["data"]["reason"])
        for body in harness.inbox.bodies
        if body["type"].startswith("source.") and body["type"] not in without
    ]


def watch_another(harness: Harness, provider: str) -> None:
    harness.restart_with()
    harness.watch(provider, "sales", "2", conversations=4)


@pytest.mark.parametrize("provider", ["chatwoot", "highlevel", "leadping"])
async def test_another_account_ends_the_failing_of_the_former_one(
    harness: Harness, provider: str
) -> None:
    harness.watch(provider, "sales", "1", conversations=6)
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(faults.status(401))
        await anyio.sleep(300)
    watch_another(harness, provider)
    async with harness.running():
        await anyio.sleep(60)
        assert [kind for kind, _ in told(harness)] == ["source.baselined", FAILS, WORKS, FAILS]
        assert told(harness)[2] == (WORKS, ANOTHER)
        harness.faults[provider].clear()
        await anyio.sleep(600)
    assert [kind for kind, _ in told(harness)[4:]] == [WORKS, "source.baselined"]
    assert told(harness)[4] == (WORKS, "works again")
    outcomes = [body["data"].get("outcome") for body in harness.inbox.of(WORKS)]
    assert outcomes == ["replaced", None]
    assert len({body["id"] for body in harness.inbox.bodies}) == len(harness.inbox.bodies)


async def test_a_process_that_dies_while_it_ends_the_former_account_tells_it_once(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.watch("chatwoot", "sales", "1", conversations=6)
    async with harness.running():
        await harness.baseline()
        harness.faults["chatwoot"].plan(faults.status(401))
        await anyio.sleep(300)
    watch_another(harness, "chatwoot")
    commit = harness.store.commit

    async def die(change: Any) -> Any:
        if change.forget:
            await anyio.sleep_forever()
        return await commit(change)

    monkeypatch.setattr(harness.store, "commit", die)
    async with harness.running():
        await anyio.sleep(60)
    monkeypatch.undo()
    harness.faults["chatwoot"].clear()
    async with harness.running():
        await anyio.sleep(600)
    kinds = [kind for kind, _ in told(harness)]
    assert kinds == ["source.baselined", FAILS, WORKS, "source.baselined"]


async def test_another_account_ends_the_hold_of_the_former_one(harness: Harness) -> None:
    harness.watch("chatwoot", "sales", "1", conversations=12)
    async with harness.running():
        await harness.baseline()
        harness.faults["chatwoot"].plan(faults.empty())
        with anyio.fail_after(3600):
            while not harness.inbox.of("source.held"):  # noqa: ASYNC110 - virtual seconds
                await anyio.sleep(1)
    harness.faults["chatwoot"].clear()
    watch_another(harness, "chatwoot")
    async with harness.running():
        await anyio.sleep(900)
    assert [kind for kind, _ in told(harness)[2:]] == ["source.released", "source.baselined"]
    assert harness.inbox.of("source.released")[0]["data"]["outcome"] == "discarded"
    assert harness.inbox.conversations == []


async def test_refused_credentials_take_the_place_of_a_changed_api(harness: Harness) -> None:
    """The changed API is told again once requests work, and ends when the key is back."""
    harness.sweep_every = "3m"
    harness.watch("leadping", "sales", "1", conversations=30)
    renamed = Fault(alter=lambda body: body.replace(b'"lastSnippet"', b'"latestSnippet"'))
    async with harness.running():
        await harness.baseline()
        harness.faults["leadping"].plan(renamed)
        await anyio.sleep(900)
        harness.faults["leadping"].clear()
        harness.faults["leadping"].plan(faults.status(401))
        await anyio.sleep(900)
        harness.faults["leadping"].clear()
        harness.faults["leadping"].plan(renamed)
        await anyio.sleep(900)
        harness.faults["leadping"].clear()
        await anyio.sleep(900)
    kinds = [kind for kind, _ in told(harness, "source.baselined")]
    assert kinds == [FAILS, WORKS, FAILS, WORKS, FAILS, WORKS]
    reasons = [reason for kind, reason in told(harness) if kind == FAILS]
    assert ["lastSnippet" in reason for reason in reasons] == [True, False, True]
    assert harness.inbox.conversations == []


async def test_a_receiver_that_points_elsewhere_has_recovered(harness: Harness) -> None:
    harness.watch("chatwoot", "support", "3", conversations=4)
    broken, moved = harness.hear("pager"), harness.hear("pagers")
    broken.status = 500
    harness.rules = "- {name: all, when: '*', notify: [crm, pager]}"
    named = harness.receivers
    harness.receivers = named.replace("pager.example", "pagers.example", 1)
    there, harness.receivers = harness.receivers, named
    async with harness.running():
        await anyio.sleep(3600)
        assert [body["type"] for body in harness.inbox.bodies][-1] == "receiver.failing"
    harness.receivers = there
    async with harness.running():
        await anyio.sleep(3 * 3600)
    mine = [body for body in harness.inbox.bodies if body["type"].startswith("receiver.")]
    assert [body["type"] for body in mine] == ["receiver.failing", "receiver.recovered"]
    assert mine[1]["data"]["reason"] == "it points elsewhere now"
    assert mine[1]["data"]["outcome"] == "replaced"
    assert mine[1]["data"]["since"] == mine[0]["data"]["since"]
    assert len(moved.bodies) >= 1
