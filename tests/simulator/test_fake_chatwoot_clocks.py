"""The fake Chatwoot's two clocks, its unread count, and who sees what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.asking_chatwoot import LIST, index, listed, rows, show
from tests.simulator.harness import Harness, ask
from watcher.simulator import Agent, Conversation, Viewer, World, chatwoot

Act = Callable[[World, Conversation], object]

DELAY = 2.0

MOVES: dict[str, tuple[Act, bool, bool]] = {
    "an inbound message": (lambda w, c: w.message(c, "Hi"), True, True),
    "an answer": (lambda w, c: w.message(c, "Hi", "outbound"), True, True),
    "a note": (lambda w, c: w.message(c, "Hi", "internal"), True, True),
    "reading": (lambda w, c: w.read(c), False, False),
    "marking unread": (lambda w, c: w.mark_unread(c), False, False),
    "renaming the contact": (lambda w, c: w.rename_contact(c, "Ada B"), False, False),
    "assigning by a person": (lambda w, c: w.assign(c, c.account.agents[1]), True, True),
    "assigning without an actor": (
        lambda w, c: w.assign(c, c.account.agents[1], actor=False),
        False,
        True,
    ),
    "removing the agent": (lambda w, c: w.remove_agent(c.account, _owner(c)), False, False),
    "a team by a person": (lambda w, c: w.set_team(c, c.account.teams[1]), True, True),
    "deleting the team": (lambda w, c: w.delete_team(c.account, c.account.teams[0]), False, False),
    "labels by a person": (lambda w, c: w.set_labels(c, ["bug"]), True, True),
    "a renamed label": (lambda w, c: w.set_labels(c, ["bug"], actor=False), False, True),
    "deleting the label": (lambda w, c: w.delete_label(c.account, "vip"), False, False),
    "a priority": (lambda w, c: w.set_priority(c, "high"), True, True),
    "a status by a person": (lambda w, c: w.set_status(c, "pending"), True, True),
    "the end of snoozing": (lambda w, c: w.snooze_expires(c), False, True),
    "custom attributes": (lambda w, c: w.set_attribute(c, "plan", "pro"), False, True),
    "an activity line": (lambda w, c: w.activity(c, "Muted"), True, True),
}


def _owner(conversation: Conversation) -> Agent:
    assert conversation.state.assignee is not None
    return conversation.state.assignee


def settled() -> tuple[Harness, Conversation]:
    """Return a conversation with owner, team and label whose jobs have all run."""
    harness = Harness("chatwoot")
    conversation = harness.create("Hello")
    harness.world.assign(conversation, harness.account.agents[0])
    harness.world.set_team(conversation, harness.account.teams[0])
    harness.world.set_labels(conversation, ["vip"])
    harness.clock.forward(60)
    return harness, conversation


async def clocks(harness: Harness) -> tuple[float, float]:
    row = (await show(harness, "1", activity_delay=DELAY)).json()
    return row["last_activity_at"], row["updated_at"]


@pytest.mark.parametrize("sentence", MOVES)
async def test_what_moves_which_clock(sentence: str) -> None:
    act, activity, updated = MOVES[sentence]
    harness, conversation = settled()
    before = await clocks(harness)
    act(harness.world, conversation)
    harness.clock.forward(DELAY + 1)
    after = await clocks(harness)
    assert (after[0] > before[0], after[1] > before[1]) == (activity, updated)


@pytest.mark.parametrize(
    "sentence",
    ["assigning by a person", "a priority", "labels by a person", "a status by a person"],
)
async def test_the_field_is_there_at_once_and_the_bump_a_moment_later(sentence: str) -> None:
    harness, conversation = settled()
    before = (await show(harness, "1")).json()
    MOVES[sentence][0](harness.world, conversation)
    at_once = (await show(harness, "1")).json()
    assert at_once["updated_at"] > before["updated_at"]
    assert at_once["last_activity_at"] == before["last_activity_at"]
    assert at_once["messages"][0]["id"] == before["messages"][0]["id"]
    harness.clock.forward(DELAY)
    later = (await show(harness, "1")).json()
    assert later["last_activity_at"] == harness.clock().timestamp()
    assert later["updated_at"] == at_once["updated_at"] + DELAY
    assert later["messages"][0]["message_type"] == 2
    assert later["messages"][0]["sender_type"] is None
    assert "sender" not in later["messages"][0]
    kept = later["last_non_activity_message"]
    assert (kept["id"], kept["content"]) == (before["last_non_activity_message"]["id"], "Hello")


async def test_updated_within_goes_by_the_servers_clock_without_pages_unless_the_server_is_old() -> (
    None
):
    harness = Harness("chatwoot")
    harness.world.import_conversations(harness.account, 40)
    harness.clock.forward(100)
    harness.world.import_conversations(harness.account, 30)
    harness.clock.forward(10)
    recent = await index(harness, updated_within=60, page=2)
    assert sorted(listed(recent)) == list(range(41, 71))
    assert recent.json()["data"]["meta"]["all_count"] == 70
    old = await index(harness, {"version": (3, 5, 0)}, updated_within=60)
    assert len(listed(old)) == 25
    assert await rows(harness, updated_within="soon") == []


async def test_a_read_does_not_show_in_the_window_but_an_unassignment_without_actor_does() -> None:
    harness, conversation = settled()
    harness.world.read(conversation)
    assert await rows(harness, updated_within=30) == []
    harness.world.assign(conversation, None, actor=False)
    assert await rows(harness, updated_within=30) == [1]


async def test_unread_is_capped_at_ten_zeroed_by_reading_and_at_least_one_when_marked() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hi")

    async def count() -> int:
        found: int = (await show(harness, "1")).json()["unread_count"]
        return found

    for _ in range(14):
        harness.clock.forward(2)
        harness.world.message(conversation, "Hi")
    assert await count() == 10
    harness.world.message(conversation, "Yes?", "outbound")
    assert await count() == 10
    harness.world.read(conversation)
    assert await count() == 0
    harness.world.mark_unread(conversation)
    assert await count() == 1


async def test_one_is_shown_unwrapped_whatever_its_status() -> None:
    harness = Harness("chatwoot")
    harness.world.archive(harness.create("Hi"))
    answer = await show(harness, "1")
    assert (answer.status_code, answer.json()["status"]) == (200, "resolved")
    assert "data" not in answer.json()


async def test_unknown_and_deleted_are_404_and_forbidden_is_401() -> None:
    harness = Harness("chatwoot")
    gone, hidden = harness.create("Hi"), harness.create("Hi")
    harness.world.delete(gone)
    harness.world.revoke_access(hidden)
    for name in (gone.id, "99"):
        answer = await show(harness, name)
        assert (answer.status_code, answer.json()) == (
            404,
            {"error": "Resource could not be found"},
        )
    answer = await show(harness, hidden.id)
    assert answer.status_code == 401
    assert answer.json() == {"error": "You are not authorized to do this action"}
    assert await rows(harness, status="all") == []


async def test_a_deleted_row_stays_listed_for_some_more_lists() -> None:
    harness = Harness("chatwoot")
    harness.world.delete(harness.create("Hi"))
    app = chatwoot.app(harness.world, chatwoot.Options(delete_lag=2))
    token = {"api_access_token": harness.account.token}
    assert (await ask(app, "GET", f"{LIST}/1", headers=token)).status_code == 200
    pages = [listed(await ask(app, "GET", LIST, headers=token)) for _ in range(3)]
    assert pages == [[1], [1], []]
    assert (await ask(app, "GET", f"{LIST}/1", headers=token)).status_code == 404


async def test_a_page_with_an_orphan_is_500_and_its_neighbours_are_not() -> None:
    harness = Harness("chatwoot", conversations=9)
    harness.world.orphan(harness.account.conversations["5"])
    options = {"page_size": 1}
    order = {"status": "all", "sort_by": "created_at_asc"}
    codes = [
        (await index(harness, options, **order, page=page)).status_code for page in range(1, 10)
    ]
    assert sorted(codes) == [200] * 8 + [500]
    harness.world.orphan(harness.account.conversations["5"], False)
    assert (await index(harness, **order)).status_code == 200


def roles() -> list[tuple[Viewer, set[int], set[int]]]:
    """Return viewers with what they list and what they are shown of four conversations:
    1 theirs in inbox 1, 2 a colleague's in inbox 1, 3 nobody's in inbox 1, 4 in inbox 2, team 1.
    """
    inboxes = frozenset({1})

    def viewer(role: Any, teams: frozenset[str] = frozenset()) -> Viewer:
        return Viewer(user="7", role=role, inboxes=inboxes, teams=teams)

    return [
        (viewer("administrator"), {1, 2, 3, 4}, {1, 2, 3, 4}),
        (viewer("agent"), {1, 2, 3}, {1, 2, 3}),
        (viewer("agent", frozenset({"1"})), {1, 2, 3}, {1, 2, 3, 4}),
        (viewer("conversation_manage"), {1, 2, 3}, {1, 2, 3}),
        (viewer("conversation_unassigned_manage"), {1, 3}, {1, 3}),
        (viewer("conversation_participating_manage"), {1}, {1}),
        (viewer("none"), set(), set()),
    ]


@pytest.mark.parametrize(("viewer", "in_list", "in_show"), roles())
async def test_a_role_decides_what_is_listed_and_shown(
    viewer: Viewer, in_list: set[int], in_show: set[int]
) -> None:
    harness = Harness("chatwoot")
    account, world = harness.account, harness.world
    account.tokens["theirs"] = viewer
    near, far = account.inboxes[0], account.inboxes[1]
    one, two, *_ = [harness.create("Hi", inbox=inbox) for inbox in (near, near, near, far)]
    world.assign(one, Agent("7", "Me"))
    world.assign(two, account.agents[0])
    world.set_team(account.conversations["4"], account.teams[0])
    answer = await index(harness, token="theirs")
    assert set(listed(answer)) == in_list
    assert answer.json()["data"]["meta"]["all_count"] == len(in_list)
    codes = {n: (await show(harness, str(n), token="theirs")).status_code for n in range(1, 5)}
    assert codes == {n: 200 if n in in_show else 401 for n in range(1, 5)}


async def test_the_3001st_request_of_a_minute_is_plain_text_429_until_the_next_minute() -> None:
    harness = Harness("chatwoot")
    app = chatwoot.app(harness.world, chatwoot.Options(limit=5))
    harness.clock.forward(50)
    codes = [(await ask(app, "GET", LIST)).status_code for _ in range(5)]
    assert codes == [401] * 5  # the limit stands before everything else
    limited = await ask(app, "GET", LIST, headers={"api_access_token": harness.account.token})
    assert (limited.status_code, limited.text) == (429, "Retry later\n")
    assert limited.headers["Content-Type"].startswith("text/plain")
    assert "Retry-After" not in limited.headers
    harness.clock.forward(10)
    assert (await ask(app, "GET", LIST)).status_code == 401
    assert chatwoot.Options().limit == 3000


async def test_the_counts_alone_have_a_limit_of_their_own() -> None:
    harness = Harness("chatwoot", conversations=3)
    app = chatwoot.app(harness.world, chatwoot.Options(meta_limit=1))
    token = {"api_access_token": harness.account.token}
    first = await ask(app, "GET", f"{LIST}/meta?status=all", headers=token)
    assert first.json()["meta"]["all_count"] == 3
    assert (await ask(app, "GET", f"{LIST}/meta", headers=token)).status_code == 429
    assert (await ask(app, "GET", LIST, headers=token)).status_code == 200
