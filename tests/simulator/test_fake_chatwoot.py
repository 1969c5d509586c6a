"""The fake Chatwoot's list: tokens, filters, counts, pages, orders, and the shape of a row."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.asking_chatwoot import LIST, index, listed, rows
from tests.simulator.harness import Harness, ask
from watcher.simulator import Agent, Viewer, chatwoot


@pytest.mark.parametrize("name", ["api_access_token", "Api-Access-Token", "api-access-token"])
async def test_the_token_may_stand_in_either_form_of_the_header(name: str) -> None:
    harness = Harness("chatwoot")
    app = chatwoot.app(harness.world)
    assert (await ask(app, "GET", LIST, headers={name: harness.account.token})).status_code == 200


async def test_behind_nginx_the_underscore_form_is_as_good_as_none() -> None:
    harness = Harness("chatwoot")
    app = chatwoot.app(harness.world, chatwoot.Options(strips_underscores=True))
    stripped = await ask(app, "GET", LIST, headers={"api_access_token": harness.account.token})
    hyphen = await ask(app, "GET", LIST, headers={"Api-Access-Token": harness.account.token})
    assert (stripped.status_code, hyphen.status_code) == (401, 200)
    assert list(stripped.json()) == ["errors"]


async def test_each_refusal_has_its_own_body() -> None:
    harness = Harness("chatwoot")
    other = harness.world.open_account("chatwoot", "4")
    closed = harness.world.open_account("chatwoot", "5")
    closed.suspended = True
    harness.account.tokens["bot"] = Viewer(role="bot")
    app = chatwoot.app(harness.world)
    sign_in = {"errors": ["You need to sign in or sign up before continuing."]}
    cases: list[tuple[str, str | None, int, dict[str, Any]]] = [
        ("3", None, 401, sign_in),
        ("3", "wrong", 401, {"error": "Invalid Access Token"}),
        ("9", "wrong", 401, {"error": "Invalid Access Token"}),
        ("3", other.token, 401, {"error": "You are not authorized to access this account"}),
        ("9", other.token, 404, {"error": "Resource could not be found"}),
        ("5", closed.token, 401, {"error": "Account is suspended"}),
        ("3", "bot", 401, {"error": "Access to this endpoint is not authorized for bots"}),
    ]
    for account, token, status, body in cases:
        headers = {} if token is None else {"api_access_token": token}
        path = f"/api/v1/accounts/{account}/conversations"
        answer = await ask(app, "GET", path, headers=headers)
        assert (answer.status_code, answer.json()) == (status, body)


async def test_only_open_ones_are_listed_unless_another_status_is_asked_for() -> None:
    harness = Harness("chatwoot")
    first, second, third, fourth = (harness.create("Hi") for _ in range(4))
    harness.world.archive(second)
    harness.world.set_status(third, "pending")
    harness.world.snooze(fourth)
    for status, expected in (
        (None, {first}), ("open", {first}), ("resolved", {second}), ("pending", {third}),
        ("snoozed", {fourth}), ("all", {first, second, third, fourth}), ("bogus", set()),
    ):  # fmt: skip
        params = {} if status is None else {"status": status}
        assert set(await rows(harness, **params)) == {int(c.id) for c in expected}, status
    assert set(await rows(harness, q="hi")) == {1, 2, 3, 4}  # a search turns the status filter off


async def test_counts_come_after_the_filters_and_before_assignee_page_and_window() -> None:
    harness = Harness("chatwoot")
    mine, theirs, _ = (harness.create("Hi") for _ in range(3))
    harness.world.assign(mine, Agent("1", "Me"))
    harness.world.assign(theirs, harness.account.agents[0])
    harness.world.archive(harness.create("Bye"))
    counts = {"mine_count": 1, "assigned_count": 2, "unassigned_count": 1, "all_count": 3}
    for more in ({}, {"assignee_type": "me"}, {"page": 9}, {"updated_within": 1}):
        assert (await index(harness, **more)).json()["data"]["meta"] == counts
    everything = await index(harness, status="all")
    assert everything.json()["data"]["meta"]["all_count"] == 4


async def test_assignee_inbox_team_and_label_narrow_the_list() -> None:
    harness = Harness("chatwoot")
    account, world = harness.account, harness.world
    one, two, three = (harness.create("Hi", inbox=account.inboxes[n]) for n in range(3))
    world.assign(one, Agent("1", "Me"))
    world.assign(two, account.agents[0])
    world.set_team(two, account.teams[1])
    world.set_labels(three, ["vip"])
    world.set_labels(one, ["bug"])
    cases: list[tuple[dict[str, Any], set[int]]] = [
        ({"assignee_type": "me"}, {1}),
        ({"assignee_type": "assigned"}, {1, 2}),
        ({"assignee_type": "unassigned"}, {3}),
        ({"assignee_type": "bogus"}, {1, 2, 3}),
        ({"inbox_id": 2}, {2}),
        ({"team_id": 2}, {2}),
        ({"labels": "vip,bug"}, {1, 3}),
        ({"labels[]": "vip"}, {3}),
        ({"conversation_type": "unattended"}, {1, 2, 3}),
        ({"conversation_type": "mention"}, set()),
    ]
    for params, expected in cases:
        assert set(await rows(harness, **params)) == expected, params
    unknown = await index(harness, team_id=99)
    assert (unknown.status_code, unknown.json()) == (404, {"error": "Resource could not be found"})


async def test_pages_are_offsets_of_a_size_that_nobody_tells() -> None:
    harness = Harness("chatwoot", conversations=60)
    ascending = {"status": "all", "sort_by": "created_at_asc"}
    walked = [await rows(harness, **ascending, page=page) for page in (1, 2, 3, 4)]
    assert [len(page) for page in walked] == [25, 25, 10, 0]
    assert sorted(name for page in walked for name in page) == list(range(1, 61))
    answer = await index(harness, **ascending, page=4)
    assert answer.status_code == 200
    assert set(answer.json()["data"]) == {"meta", "payload"}
    small = await index(harness, {"page_size": 7}, **ascending)
    assert len(listed(small)) == 7


@pytest.mark.parametrize(
    ("sort_by", "key", "descending"),
    [
        ("last_activity_at_desc", "last_activity_at", True),
        ("last_activity_at_asc", "last_activity_at", False),
        ("created_at_asc", "created_at", False),
        ("created_at_desc", "created_at", True),
        ("waiting_since_asc", "waiting_since", False),
        ("no_such_order", "last_activity_at", True),
        (None, "last_activity_at", True),
    ],
)
async def test_orders_are_those_of_the_finder_and_an_unknown_one_is_the_default(
    sort_by: str | None, key: str, descending: bool
) -> None:
    harness = Harness("chatwoot", conversations=20)
    params = {} if sort_by is None else {"sort_by": sort_by}
    answer = await index(harness, status="all", **params)
    values = [row[key] for row in answer.json()["data"]["payload"]]
    if key == "waiting_since":  # none, which the row writes as 0, comes last
        assert values[-1] == 0
        values = [value for value in values if value]
    assert values == sorted(values, reverse=descending)


async def test_priority_orders_put_none_last_and_old_versions_know_no_orders() -> None:
    harness = Harness("chatwoot")
    for priority in (None, "low", "urgent"):
        harness.world.set_priority(harness.create("Hi"), priority)
    assert await rows(harness, sort_by="priority_desc") == [3, 2, 1]
    assert await rows(harness, sort_by="priority_asc") == [2, 3, 1]
    harness.clock.forward(10)
    old = await index(harness, {"version": (3, 3, 0)}, sort_by="created_at_asc")
    assert listed(old) == [3, 2, 1]
    harness.world.read(harness.account.conversations["3"])
    assert (await rows(harness, sort_by="unread"))[-1] == 3
    older = await index(harness, {"version": (4, 14, 0)}, sort_by="unread")
    assert listed(older) == [3, 2, 1]


async def test_rows_with_equal_keys_may_change_places_between_requests() -> None:
    harness = Harness("chatwoot")
    harness.world.import_conversations(harness.account, 4)
    app = chatwoot.app(harness.world, chatwoot.Options(swap_ties=True, page_size=2))
    token = {"api_access_token": harness.account.token}
    path = f"{LIST}?sort_by=created_at_asc&page="
    first = listed(await ask(app, "GET", path + "1", headers=token))
    second = listed(await ask(app, "GET", path + "2", headers=token))
    assert set(first + second) != {1, 2, 3, 4}  # one walk shows some twice and some never


async def test_a_row_has_all_keys_and_none_for_what_is_absent() -> None:
    harness = Harness("chatwoot")
    harness.create()
    row = (await index(harness)).json()["data"]["payload"][0]
    assert set(row) == {
        "meta", "id", "messages", "account_id", "uuid", "additional_attributes",
        "agent_last_seen_at", "assignee_last_seen_at", "can_reply", "contact_last_seen_at",
        "custom_attributes", "inbox_id", "labels", "muted", "snoozed_until", "status",
        "created_at", "updated_at", "timestamp", "first_reply_created_at", "unread_count",
        "last_non_activity_message", "last_activity_at", "priority", "waiting_since",
        "sla_policy_id",
    }  # fmt: skip
    assert set(row["meta"]) == {"sender", "channel", "hmac_verified"}
    assert row["waiting_since"] == row["created_at"]  # though nobody has written
    never = ("first_reply_created_at", "contact_last_seen_at", "agent_last_seen_at")
    assert [row[key] for key in never] == [0, 0, 0]
    assert (row["messages"], row["last_non_activity_message"]) == ([], None)
    assert isinstance(row["id"], int)
    assert isinstance(row["updated_at"], float)
    assert row["timestamp"] == row["last_activity_at"] == 1795168801


async def test_assignee_bot_and_team_are_objects_and_snoozing_is_iso() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hi")
    harness.world.assign(conversation, Agent("2", "Robo", bot=True))
    harness.world.set_team(conversation, harness.account.teams[0])
    harness.world.snooze(conversation, harness.clock())
    row = (await index(harness, status="snoozed")).json()["data"]["payload"][0]
    assert row["meta"]["assignee_type"] == "AgentBot"
    assert row["meta"]["assignee"]["bot_type"] == "webhook"
    assert (row["meta"]["team"]["id"], row["meta"]["team"]["is_member"]) == (1, False)
    assert row["snoozed_until"] == "2026-11-20T10:00:01.000Z"
    harness.world.snooze(conversation)
    row = (await index(harness, {"version": (4, 7, 0)}, status="snoozed")).json()["data"][
        "payload"
    ][0]
    assert row["snoozed_until"] is None
    assert "assignee_type" not in row["meta"]


async def test_messages_say_their_kind_and_a_note_is_private() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hi")
    kinds = {"inbound": (0, False), "outbound": (1, False), "internal": (1, True)}
    for direction, expected in kinds.items():
        harness.world.message(conversation, "Text", direction)  # type: ignore[arg-type]
        row = (await index(harness)).json()["data"]["payload"][0]
        shown = row["last_non_activity_message"]
        assert (shown["message_type"], shown["private"]) == expected
        assert isinstance(shown["updated_at"], str)


async def test_old_versions_lack_keys() -> None:
    harness = Harness("chatwoot")
    harness.create("Hi")
    for version, lacking in (
        ((4, 0, 1), {"updated_at"}),
        ((3, 6, 0), {"updated_at", "sla_policy_id"}),
    ):
        row = (await index(harness, {"version": version})).json()["data"]["payload"][0]
        assert not lacking & set(row)


async def test_display_ids_are_per_account() -> None:
    harness = Harness("chatwoot")
    other = harness.world.open_account("chatwoot", "4", conversations=2)
    assert harness.create("Hi").id == "1"
    assert list(other.conversations) == ["1", "2"]
    app = chatwoot.app(harness.world)
    for account in (harness.account, other):
        path = f"/api/v1/accounts/{account.id}/conversations/1"
        answer = await ask(app, "GET", path, headers={"api_access_token": account.token})
        assert (answer.json()["id"], answer.json()["account_id"]) == (1, int(account.id))
