"""Failing and recovered, held and released take turns, whatever comes between."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from stage import Stage

from watcher.simulator import Fault, faults

FAILS, WORKS = "source.failing", "source.recovered"
ANOTHER = "another account is watched under this name"


def told(stage: Stage, *without: str) -> list[tuple[str, Any]]:
    """Give type and reason of what the receiver heard about sources."""
    return [
        (body["type"], body["data"]["reason"])
        for body in stage.inbox.bodies
        if body["type"].startswith("source.") and body["type"] not in without
    ]


def watch_another(stage: Stage, provider: str) -> None:
    stage.restart_with()
    stage.watch(provider, "sales", "2", conversations=4)


@pytest.mark.parametrize("provider", ["chatwoot", "highlevel", "leadping"])
async def test_another_account_ends_the_failing_of_the_former_one(
    stage: Stage, provider: str
) -> None:
    stage.watch(provider, "sales", "1", conversations=6)
    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(faults.status(401))
        await anyio.sleep(300)
    watch_another(stage, provider)
    async with stage.running():
        await anyio.sleep(60)
        assert [kind for kind, _ in told(stage)] == ["source.baselined", FAILS, WORKS, FAILS]
        assert told(stage)[2] == (WORKS, ANOTHER)
        stage.faults[provider].clear()
        await anyio.sleep(600)
    assert [kind for kind, _ in told(stage)[4:]] == [WORKS, "source.baselined"]
    assert told(stage)[4] == (WORKS, "works again")
    outcomes = [body["data"].get("outcome") for body in stage.inbox.of(WORKS)]
    assert outcomes == ["replaced", None]
    assert len({body["id"] for body in stage.inbox.bodies}) == len(stage.inbox.bodies)


async def test_a_process_that_dies_while_it_ends_the_former_account_tells_it_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.watch("chatwoot", "sales", "1", conversations=6)
    async with stage.running():
        await stage.baseline()
        stage.faults["chatwoot"].plan(faults.status(401))
        await anyio.sleep(300)
    watch_another(stage, "chatwoot")
    commit = stage.store.commit

    async def die(change: Any) -> Any:
        if change.forget:
            await anyio.sleep_forever()
        return await commit(change)

    monkeypatch.setattr(stage.store, "commit", die)
    async with stage.running():
        await anyio.sleep(60)
    monkeypatch.undo()
    stage.faults["chatwoot"].clear()
    async with stage.running():
        await anyio.sleep(600)
    kinds = [kind for kind, _ in told(stage)]
    assert kinds == ["source.baselined", FAILS, WORKS, "source.baselined"]


async def test_another_account_ends_the_hold_of_the_former_one(stage: Stage) -> None:
    stage.watch("chatwoot", "sales", "1", conversations=12)
    async with stage.running():
        await stage.baseline()
        stage.faults["chatwoot"].plan(faults.empty())
        with anyio.fail_after(3600):
            while not stage.inbox.of("source.held"):  # noqa: ASYNC110 - virtual seconds
                await anyio.sleep(1)
    stage.faults["chatwoot"].clear()
    watch_another(stage, "chatwoot")
    async with stage.running():
        await anyio.sleep(900)
    assert [kind for kind, _ in told(stage)[2:]] == ["source.released", "source.baselined"]
    assert stage.inbox.of("source.released")[0]["data"]["outcome"] == "discarded"
    assert stage.inbox.conversations == []


async def test_refused_credentials_take_the_place_of_a_changed_api(stage: Stage) -> None:
    """The changed API is told again once requests work, and ends when the key is back."""
    stage.sweep_every = "3m"
    stage.watch("leadping", "sales", "1", conversations=30)
    renamed = Fault(alter=lambda body: body.replace(b'"lastSnippet"', b'"latestSnippet"'))
    async with stage.running():
        await stage.baseline()
        stage.faults["leadping"].plan(renamed)
        await anyio.sleep(900)
        stage.faults["leadping"].clear()
        stage.faults["leadping"].plan(faults.status(401))
        await anyio.sleep(900)
        stage.faults["leadping"].clear()
        stage.faults["leadping"].plan(renamed)
        await anyio.sleep(900)
        stage.faults["leadping"].clear()
        await anyio.sleep(900)
    kinds = [kind for kind, _ in told(stage, "source.baselined")]
    assert kinds == [FAILS, WORKS, FAILS, WORKS, FAILS, WORKS]
    reasons = [reason for kind, reason in told(stage) if kind == FAILS]
    assert ["lastSnippet" in reason for reason in reasons] == [True, False, True]
    assert stage.inbox.conversations == []


async def test_a_receiver_that_points_elsewhere_has_recovered(stage: Stage) -> None:
    stage.watch("chatwoot", "support", "3", conversations=4)
    broken, moved = stage.hear("pager"), stage.hear("pagers")
    broken.status = 500
    stage.rules = "- {name: all, when: '*', notify: [crm, pager]}"
    named = stage.receivers
    stage.receivers = named.replace("pager.example", "pagers.example", 1)
    there, stage.receivers = stage.receivers, named
    async with stage.running():
        await anyio.sleep(3600)
        assert [body["type"] for body in stage.inbox.bodies][-1] == "receiver.failing"
    stage.receivers = there
    async with stage.running():
        await anyio.sleep(3 * 3600)
    mine = [body for body in stage.inbox.bodies if body["type"].startswith("receiver.")]
    assert [body["type"] for body in mine] == ["receiver.failing", "receiver.recovered"]
    assert mine[1]["data"]["reason"] == "it points elsewhere now"
    assert mine[1]["data"]["outcome"] == "replaced"
    assert mine[1]["data"]["since"] == mine[0]["data"]["since"]
    assert len(moved.bodies) >= 1
