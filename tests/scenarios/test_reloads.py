"""A configuration that is taken up while everything runs: what stays goes on, what is new begins,
what is gone ends visibly.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from stage import Stage

from watcher.config import load
from watcher.daemon.reload import Reloading
from watcher.records import DeliveryQuery

LASTING = """- {name: all, when: '*', notify: crm}
- {name: late, when: conversation.unread, for: 10m, notify: crm}"""


def reloading(stage: Stage) -> Reloading:
    """Make what `inbox-watcher run` makes: the configuration's file is read again."""
    file = stage.folder / "watcher.yaml"
    return Reloading(stage.daemon, lambda: load([file], environ=os.environ))


async def take_up(stage: Stage) -> dict[str, Any]:
    """Write the stage's present configuration and have it taken up."""
    (stage.folder / "watcher.yaml").write_text(stage.configure())
    return await reloading(stage).reload()


async def test_what_did_not_change_goes_on_without_a_break(stage: Stage) -> None:
    account = stage.watch("chatwoot", "support", "3")
    async with stage.running() as daemon:
        await stage.baseline()
        poller, dispatcher = daemon.pollers["support"], daemon.dispatchers["crm"]
        asked = len(stage.faults["chatwoot"].log)
        told = await take_up(stage)
        assert told == {
            "sources": "as before",
            "receivers": "as before",
            "rules": "as before",
            "silences": "as before",
            "warnings": [],
        }
        assert daemon.pollers["support"] is poller
        assert daemon.dispatchers["crm"] is dispatcher
        assert len(stage.faults["chatwoot"].log) == asked
        stage.world.message(account.conversations["1"], "Still there?")
        await anyio.sleep(60)
    assert len(stage.inbox.of("conversation.message")) == 1


async def test_a_new_rule_counts_from_now_on(stage: Stage) -> None:
    account = stage.watch("chatwoot", "support", "3")
    stage.rules = "- {name: archived only, when: conversation.archived, notify: crm}"
    async with stage.running():
        await stage.baseline()
        stage.world.message(account.conversations["1"], "Nobody asked for this one")
        await anyio.sleep(60)
        assert stage.inbox.bodies == []
        stage.rules = "- {name: all, when: 'conversation.*', notify: crm}"
        told = await take_up(stage)
        assert told["rules"] == "added all; removed archived only"
        stage.world.message(account.conversations["2"], "This one they did")
        await anyio.sleep(60)
    assert {event["subject"] for event in stage.inbox.conversations} == {"2"}


async def test_a_source_and_a_receiver_are_added_and_removed(stage: Stage) -> None:
    first = stage.watch("chatwoot", "support", "3")
    async with stage.running() as daemon:
        await stage.baseline()
        second = stage.watch("leadping", "leads", "org-1")
        told = await take_up(stage)
        assert told["sources"] == "added leads"
        await stage.baseline()
        stage.world.message(next(iter(second.conversations.values())), "Hello from the other one")
        await anyio.sleep(60)
        assert {event["source"] for event in stage.inbox.conversations} == {"inbox-watcher/leads"}
        stage.restart_with()
        stage.watch_again("leadping", "leads", second)
        told = await take_up(stage)
        assert told["sources"] == "removed support"
        assert list(daemon.pollers) == ["leads"]
        asked = len(stage.faults["chatwoot"].log)
        stage.world.message(first.conversations["1"], "Nobody watches me any more")
        await anyio.sleep(600)
        assert len(stage.faults["chatwoot"].log) == asked
    assert "inbox-watcher/support" not in {e["source"] for e in stage.inbox.conversations}


async def test_another_interval_restarts_one_source_and_loses_nothing(stage: Stage) -> None:
    account = stage.watch("highlevel", "sales", "loc", conversations=30)
    async with stage.running() as daemon:
        await stage.baseline()
        before = daemon.pollers["sales"]
        stage.world.message(account.conversations[min(account.conversations)], "Before")
        stage.restart_with()
        stage.poll_every = "10s"
        stage.watch_again("highlevel", "sales", account)
        told = await take_up(stage)
        assert told["sources"] == "changed sales"
        assert daemon.pollers["sales"] is not before
        stage.world.message(account.conversations[max(account.conversations)], "After")
        await anyio.sleep(400)
    assert stage.got() == stage.expect()


async def test_a_removed_rules_timer_is_cancelled_visibly_and_others_go_on(stage: Stage) -> None:
    account = stage.watch("chatwoot", "support", "3")
    stage.rules = LASTING
    async with stage.running() as daemon:
        await stage.baseline()
        stage.world.message(account.conversations["1"], "Please call me")
        await anyio.sleep(60)
        await take_up(stage)  # nothing changed: the timer goes on
        waiting = [d for d in await daemon.store.deliveries(DeliveryQuery()) if d.timer]
        assert [d.state for d in waiting] == ["pending"]
        stage.rules = "- {name: all, when: '*', notify: crm}"
        await take_up(stage)
        (owed,) = [d for d in await daemon.store.deliveries(DeliveryQuery()) if d.timer]
        assert owed.state == "cancelled"
        assert owed.note == "the rule is no longer configured"
        await anyio.sleep(1200)
    assert not any("delivery" in event["data"] for event in stage.inbox.bodies)


async def test_a_removed_receivers_deliveries_are_dead_with_the_reason(stage: Stage) -> None:
    account = stage.watch("chatwoot", "support", "3")
    stage.receivers = "  other:\n    type: webhook\n    url: http://crm.example/hook\n"
    stage.rules = "- {name: all, when: '*', notify: [crm, other]}"
    async with stage.running() as daemon:
        await stage.baseline()
        stage.inbox.status = 500
        stage.world.message(account.conversations["1"], "Into the void")
        await anyio.sleep(40)
        stage.receivers, stage.rules = "", "- {name: all, when: '*', notify: crm}"
        told = await take_up(stage)
        assert told["receivers"] == "removed other"
        assert await daemon.store.pending() == {"crm": 2}
        dead = await daemon.store.deliveries(DeliveryQuery(receiver="other", state="dead"))
        assert {d.event.type for d in dead} == {"conversation.unread", "conversation.message"}
        assert {d.note for d in dead} == {"the receiver is no longer configured"}
        stage.inbox.status = 200
        await anyio.sleep(7200)
        assert await daemon.store.pending() == {}


@pytest.mark.parametrize("broken", ["sources: 7\n", "rules: [{name: x}]\n", "\tno yaml"])
async def test_a_broken_configuration_is_refused_and_the_old_one_goes_on(
    stage: Stage, broken: str
) -> None:
    account = stage.watch("chatwoot", "support", "3")
    async with stage.running() as daemon:
        await stage.baseline()
        old = daemon.config
        (stage.folder / "watcher.yaml").write_text(broken)
        told = await reloading(stage).reload()
        assert str(stage.folder / "watcher.yaml") in told["problems"][0]
        assert daemon.config is old
        stage.world.message(account.conversations["1"], "Anybody there?")
        await anyio.sleep(60)
    assert len(stage.inbox.of("conversation.message")) == 1


async def test_another_store_or_server_is_taken_up_by_a_restart_only(
    stage: Stage, tmp_path: Path
) -> None:
    stage.watch("chatwoot", "support", "3")
    async with stage.running():
        await stage.baseline()
        text = stage.configure().replace("watcher.db", "another.db")
        (stage.folder / "watcher.yaml").write_text(text.replace("server: false", "server: {}"))
        told = await reloading(stage).reload()
    assert told["warnings"] == [
        "`store` changed; that is taken up when the daemon starts again",
        "`server` changed; that is taken up when the daemon starts again",
    ]
    assert not (tmp_path / "another.db").exists()
