"""What the token may see changes: lost access is told apart from deletion, and nothing is invented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest
from stage import PROVIDERS, Stage

from watcher.simulator import Account, faults
from watcher.simulator.state import Viewer


def see(account: Account, **changed: Any) -> None:
    """Give the account's token other eyes, behind the truth's back."""
    account.viewer = replace(account.viewer, **changed)
    account.tokens[account.token] = account.viewer


@pytest.mark.parametrize("provider", ["leadping", "chatwoot"])
async def test_one_conversation_lost_from_sight_is_not_one_deleted(
    stage: Stage, provider: str
) -> None:
    account = stage.watch(provider, "sales", "1", conversations=30)
    async with stage.running():
        await stage.baseline()
        lost, deleted = account.living()[3], account.living()[11]
        stage.world.revoke_access(lost)
        stage.world.delete(deleted)
        await anyio.sleep(1800)
        reasons = {
            b["subject"]: b["data"]["reason"] for b in stage.inbox.of("conversation.removed")
        }
        assert reasons[lost.id] == "access_lost"
        assert reasons[deleted.id] == "deleted"
        stage.world.grant_access(lost)
        await anyio.sleep(1800)
    assert [row[:3] for row in stage.got()] == [row[:3] for row in stage.expect()]
    back = [b for b in stage.inbox.of("conversation.created") if b["data"].get("returned")]
    assert lost.id in {body["subject"] for body in back}


async def test_what_the_list_hides_and_a_look_up_shows_is_not_removed(stage: Stage) -> None:
    """A member of the conversation's team may look at what the inbox's list keeps from them."""
    account = stage.watch("chatwoot", "sales", "1", conversations=30)
    team, inbox = account.teams[0], account.living()[0].state.inbox
    for conversation in account.living():
        stage.world.set_team(conversation, team)
    hidden = [c for c in account.living() if c.state.inbox == inbox]
    assert 0 < len(hidden) < 30
    async with stage.running():
        await stage.baseline()
        others = frozenset(one.id for one in account.inboxes) - {inbox.id}
        see(account, role="agent", inboxes=others, teams=frozenset({team.id}))
        await anyio.sleep(2 * 3600)
    assert stage.inbox.conversations == []


async def test_a_narrower_role_loses_access_and_a_wider_one_invents_nothing(stage: Stage) -> None:
    account = stage.watch("chatwoot", "sales", "1", conversations=60)
    inbox = account.living()[0].state.inbox
    narrow = Viewer(user="99", role="agent", inboxes=frozenset({inbox.id}))
    mine = {c.id for c in account.living() if c.state.inbox == inbox}
    administrator = account.viewer
    async with stage.running():
        await stage.baseline()
        account.tokens[account.token] = narrow
        await anyio.sleep(3600)
        removed = stage.inbox.of("conversation.removed")
        assert {body["subject"] for body in removed} == set(account.conversations) - mine
        assert {body["data"]["reason"] for body in removed} == {"access_lost"}
        assert all(body["data"].get("held") for body in removed)  # they were many at once
        assert stage.inbox.own == ["source.baselined", "source.held", "source.released"]
        account.tokens[account.token] = administrator
        await anyio.sleep(1800)
    back = stage.inbox.of("conversation.created")
    assert {body["subject"] for body in back} == {body["subject"] for body in removed}
    assert all(body["data"]["returned"] for body in back)
    kinds = {body["type"] for body in stage.inbox.conversations}
    assert kinds <= {"conversation.removed", "conversation.created", "conversation.unread"}


async def test_a_wider_token_shows_what_was_there_before_and_nobody_is_told(stage: Stage) -> None:
    account = stage.watch("chatwoot", "sales", "1", conversations=60)
    inbox = account.living()[0].state.inbox
    administrator = account.viewer
    account.tokens[account.token] = Viewer(user="99", role="agent", inboxes=frozenset({inbox.id}))
    async with stage.running():
        await stage.baseline()
        assert len(await stage.store.present_ids("sales")) < 60
        account.tokens[account.token] = administrator
        await anyio.sleep(1800)
        assert stage.inbox.conversations == []
        assert len(await stage.store.present_ids("sales")) == 60
        assert stage.inbox.own == ["source.baselined"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_source_that_loses_all_access_removes_nothing(
    stage: Stage, provider: str, status: int
) -> None:
    """Also while an absence is being verified: a 401 about the account is none about the row."""
    account = stage.watch(provider, "sales", "1", conversations=30)
    listing = {"leadping": "/my", "highlevel": "/search", "chatwoot": "/conversations"}[provider]
    async with stage.running():
        await stage.baseline()
        gone = account.living()[5]
        stage.world.delete(gone)
        stage.faults[provider].plan(
            faults.status(status), lambda seen: not seen.path.endswith(listing)
        )
        await anyio.sleep(600)  # a sweep lacks the row; its look-up is refused
        stage.faults[provider].plan(faults.status(status))
        await anyio.sleep(3600)
        removed = {body["subject"] for body in stage.inbox.of("conversation.removed")}
        assert removed <= {gone.id}
        assert stage.inbox.own.count("source.failing") == 1
        assert stage.inbox.of("source.failing")[0]["data"]["remedy"]
        stage.faults[provider].clear()
        await anyio.sleep(1800)
    assert stage.inbox.own[-1] == "source.recovered"
    assert {body["subject"] for body in stage.inbox.conversations} == {gone.id}
    assert [body["type"] for body in stage.inbox.conversations] == ["conversation.removed"]


async def test_a_token_that_may_see_no_inbox_any_more_is_held_first(stage: Stage) -> None:
    """Chatwoot answers 200 with an empty list to an agent who is a member of no inbox."""
    account = stage.watch("chatwoot", "sales", "1", conversations=12)
    administrator = account.viewer
    async with stage.running():
        await stage.baseline()
        account.tokens[account.token] = Viewer(user="99", role="agent", inboxes=frozenset())
        await anyio.sleep(330)
        assert stage.inbox.own == ["source.baselined", "source.held"]
        assert stage.inbox.conversations == []
        account.tokens[account.token] = administrator
        await anyio.sleep(900)
    assert stage.inbox.conversations == []
    assert stage.inbox.of("source.released")[0]["data"]["outcome"] == "disagreed"


async def test_a_mapping_that_changes_or_goes_is_taken_over_silently(stage: Stage) -> None:
    account = stage.watch("chatwoot", "sales", "1", conversations=12)
    for number, conversation in enumerate(account.living()):
        stage.world.set_attribute(conversation, "outcome", ["won", "lost"][number % 2])
        stage.world.set_attribute(conversation, "score", number)
    mappings = (
        "    fields: {disposition: custom_attributes.outcome}\n",
        "    fields: {disposition: custom_attributes.score, priority: custom_attributes.outcome}\n",
        "    fields: {attributes.score: custom_attributes.score}\n",
        "",
    )
    for extra in mappings:
        stage.restart_with()
        stage.watch_again("chatwoot", "sales", account, extra)
        async with stage.running():
            await anyio.sleep(900)
            assert stage.inbox.conversations == []
            if not extra:
                stage.world.archive(next(c for c in account.living() if not c.state.archived))
                await anyio.sleep(900)
    assert stage.inbox.own == ["source.baselined"]
    (event,) = stage.inbox.conversations
    told = event["data"]["conversation"]
    assert told["disposition"] is None
    assert told["priority"] not in ("won", "lost")
    assert "score" not in told["attributes"]
    assert told["attributes"]["custom_attributes"]["outcome"] in ("won", "lost")
