"""What the token may see changes: lost access is told apart from deletion, and nothing is invented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from watcher.simulator import Account, faults
from watcher.simulator.state import Viewer


def see(account: Account, **changed: Any) -> None:
    """Return the account's token other eyes, behind the truth's back."""
    account.viewer = replace(account.viewer, **changed)
    account.tokens[account.token] = account.viewer


@pytest.mark.parametrize("provider", ["leadping", "chatwoot"])
async def test_one_conversation_lost_from_sight_is_not_one_deleted(
    harness: Harness, provider: str
) -> None:
    account = harness.watch(provider, "sales", "1", conversations=30)
    async with harness.running():
        await harness.baseline()
        lost, deleted = account.living()[3], account.living()[11]
        harness.world.revoke_access(lost)
        harness.world.delete(deleted)
        await anyio.sleep(1800)
        reasons = {
            b["subject"]: b["data"]["reason"] for b in harness.inbox.of("conversation.removed")
        }
        assert reasons[lost.id] == "access_lost"
        assert reasons[deleted.id] == "deleted"
        harness.world.grant_access(lost)
        await anyio.sleep(1800)
    assert [row[:3] for row in harness.got()] == [row[:3] for row in harness.expect()]
    back = [b for b in harness.inbox.of("conversation.created") if b["data"].get("returned")]
    assert lost.id in {body["subject"] for body in back}


async def test_what_the_list_hides_and_a_look_up_shows_is_not_removed(harness: Harness) -> None:
    """A member of the conversation's team may look at what the inbox's list keeps from them."""
    account = harness.watch("chatwoot", "sales", "1", conversations=30)
    team, inbox = account.teams[0], account.living()[0].state.inbox
    for conversation in account.living():
        harness.world.set_team(conversation, team)
    hidden = [c for c in account.living() if c.state.inbox == inbox]
    assert 0 < len(hidden) < 30
    async with harness.running():
        await harness.baseline()
        others = frozenset(one.id for one in account.inboxes) - {inbox.id}
        see(account, role="agent", inboxes=others, teams=frozenset({team.id}))
        await anyio.sleep(2 * 3600)
    assert harness.inbox.conversations == []


async def test_a_narrower_role_loses_access_and_a_wider_one_invents_nothing(
    harness: Harness,
) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    inbox = account.living()[0].state.inbox
    narrow = Viewer(user="99", role="agent", inboxes=frozenset({inbox.id}))
    mine = {c.id for c in account.living() if c.state.inbox == inbox}
    administrator = account.viewer
    async with harness.running():
        await harness.baseline()
        account.tokens[account.token] = narrow
        await anyio.sleep(3600)
        removed = harness.inbox.of("conversation.removed")
        assert {body["subject"] for body in removed} == set(account.conversations) - mine
        assert {body["data"]["reason"] for body in removed} == {"access_lost"}
        assert all(body["data"].get("held") for body in removed)  # they were many at once
        assert harness.inbox.own == ["source.baselined", "source.held", "source.released"]
        account.tokens[account.token] = administrator
        await anyio.sleep(1800)
    back = harness.inbox.of("conversation.created")
    assert {body["subject"] for body in back} == {body["subject"] for body in removed}
    assert all(body["data"]["returned"] for body in back)
    kinds = {body["type"] for body in harness.inbox.conversations}
    held = {"conversation.unread", "conversation.waiting"}
    assert kinds <= {"conversation.removed", "conversation.created", *held}


async def test_a_wider_token_shows_what_was_there_before_and_nobody_is_told(
    harness: Harness,
) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    inbox = account.living()[0].state.inbox
    administrator = account.viewer
    account.tokens[account.token] = Viewer(user="99", role="agent", inboxes=frozenset({inbox.id}))
    async with harness.running():
        await harness.baseline()
        assert len(await harness.store.present_ids("sales")) < 60
        account.tokens[account.token] = administrator
        await anyio.sleep(1800)
        assert harness.inbox.conversations == []
        assert len(await harness.store.present_ids("sales")) == 60
        assert harness.inbox.own == ["source.baselined"]


async def test_a_wider_token_tells_what_is_young_in_what_it_shows(
    harness: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    inbox = account.living()[0].state.inbox
    administrator = account.viewer
    account.tokens[account.token] = Viewer(user="99", role="agent", inboxes=frozenset({inbox.id}))
    hidden = [one for one in account.living() if one.state.inbox != inbox]
    asked, answered = [one for one in hidden if not one.state.archived][:2]
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(60)
        harness.world.message(asked, "Is anybody there?")
        harness.world.message(answered, "It is settled.", "outbound")
        account.tokens[account.token] = administrator
        await anyio.sleep(1800)
    told = {
        one.id: [body["type"].removeprefix("conversation.") for body in harness.inbox.conversations
                 if body["subject"] == one.id]
        for one in hidden
    }  # fmt: skip
    assert told.pop(asked.id) == ["message", "unread", "waiting"]
    assert told.pop(answered.id)[:1] == ["message"]
    assert not any(told.values()), "what is older joins silently"
    assert "older conversations became visible" in capsys.readouterr().out


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_source_that_loses_all_access_removes_nothing(
    harness: Harness, provider: str, status: int
) -> None:
    """Also while an absence is being verified: a 401 about the account is none about the row."""
    account = harness.watch(provider, "sales", "1", conversations=30)
    listing = {"leadping": "/my", "highlevel": "/search", "chatwoot": "/conversations"}[provider]
    async with harness.running():
        await harness.baseline()
        gone = account.living()[5]
        harness.world.delete(gone)
        harness.faults[provider].plan(
            faults.status(status), lambda seen: not seen.path.endswith(listing)
        )
        await anyio.sleep(600)  # a sweep lacks the row; its look-up is refused
        harness.faults[provider].plan(faults.status(status))
        await anyio.sleep(3600)
        removed = {body["subject"] for body in harness.inbox.of("conversation.removed")}
        assert removed <= {gone.id}
        assert harness.inbox.own.count("source.failing") == 1
        assert harness.inbox.of("source.failing")[0]["data"]["remedy"]
        harness.faults[provider].clear()
        await anyio.sleep(1800)
    assert harness.inbox.own[-1] == "source.recovered"
    assert {body["subject"] for body in harness.inbox.conversations} == {gone.id}
    assert [body["type"] for body in harness.inbox.conversations] == ["conversation.removed"]


async def test_a_token_that_may_see_no_inbox_any_more_is_held_first(harness: Harness) -> None:
    """Chatwoot answers 200 with an empty list to an agent who is a member of no inbox."""
    account = harness.watch("chatwoot", "sales", "1", conversations=12)
    administrator = account.viewer
    async with harness.running():
        await harness.baseline()
        account.tokens[account.token] = Viewer(user="99", role="agent", inboxes=frozenset())
        await anyio.sleep(330)
        assert harness.inbox.own == ["source.baselined", "source.held"]
        assert harness.inbox.conversations == []
        account.tokens[account.token] = administrator
        await anyio.sleep(900)
    assert harness.inbox.conversations == []
    assert harness.inbox.of("source.released")[0]["data"]["outcome"] == "disagreed"


async def test_a_mapping_that_changes_or_goes_is_taken_over_silently(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=12)
    for number, conversation in enumerate(account.living()):
        harness.world.set_attribute(conversation, "outcome", ["won", "lost"][number % 2])
        harness.world.set_attribute(conversation, "score", number)
    mappings = (
        "    fields: {disposition: custom_attributes.outcome}\n",
        "    fields: {disposition: custom_attributes.score, priority: custom_attributes.outcome}\n",
        "    fields: {attributes.score: custom_attributes.score}\n",
        "",
    )
    for extra in mappings:
        harness.restart_with()
        harness.watch_again("chatwoot", "sales", account, extra)
        async with harness.running():
            await anyio.sleep(900)
            assert harness.inbox.conversations == []
            if not extra:
                harness.world.archive(next(c for c in account.living() if not c.state.archived))
                await anyio.sleep(900)
    assert harness.inbox.own == ["source.baselined"]
    (event,) = harness.inbox.conversations
    told = event["data"]["conversation"]
    assert told["disposition"] is None
    assert told["priority"] not in ("won", "lost")
    assert "score" not in told["attributes"]
    assert told["attributes"]["custom_attributes"]["outcome"] in ("won", "lost")
