"""A fake that is steered over HTTP: what can be done, what it says, and what it refuses."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.simulator.harness import START, ask
from watcher.simulator import Conversation, World
from watcher.simulator.__main__ import SERVICES, open_service, read_arguments, seconds
from watcher.simulator.steering import ACTIONS, Steered

LISTS = {
    "chatwoot": ("GET", "/api/v1/accounts/3/conversations"),
    "highlevel": ("GET", "/conversations/search?locationId=loc-sales"),
    "leadway": ("GET", "/conversations/search?locationId=loc-sales"),
    "leadping": ("POST", "/conversations/my?archiveFilter=all"),
}


def opened(service: str, *arguments: str) -> Steered:
    return open_service(read_arguments([service, *arguments]), lambda: START)


async def do(steered: Steered, action: str, **given: Any) -> Any:
    answer = await ask(steered, "POST", f"/_simulator/{action}", json=given)
    return answer.json()


async def listed(steered: Steered, service: str) -> int:
    token = steered.account.token
    headers = {
        "Authorization": f"Bearer {token}",
        "Api-Access-Token": token,
        "Version": "2021-07-28",
    }
    method, path = LISTS[service]
    more = {"json": {}} if method == "POST" else {}
    return (await ask(steered, method, path, headers=headers, **more)).status_code


def test_every_mutation_of_a_conversation_is_an_action() -> None:
    methods = inspect.getmembers(World, inspect.isfunction)
    mutations = {
        name
        for name, method in methods
        if not name.startswith("_") and "conversation" in inspect.signature(method).parameters
    }
    assert mutations == set(ACTIONS)
    assert all(hasattr(World, name) for name in ("create",))


@pytest.mark.parametrize("service", SERVICES)
async def test_the_api_of_each_service_is_served_with_its_token(service: str) -> None:
    steered = opened(service, "--conversations", "5", "--token", "secret-token")
    assert steered.account.token == "secret-token"
    assert await listed(steered, service) == 200
    (seen,) = (await ask(steered, "GET", "/_simulator/requests")).json()
    assert (seen["number"], seen["forbidden"]) == (1, False)
    assert "secret-token" not in str(seen)


async def test_an_action_says_what_should_be_reported() -> None:
    steered = opened("chatwoot", "--conversations", "3")
    told = await do(steered, "message", conversation="2", text="Is it in stock?")
    assert told["truth"][0]["type"] == "conversation.message"
    assert told["truth"][0]["conversation"] == "2"
    assert told["truth"][0]["after"]["last_message"]["text"] == "Is it in stock?"
    truth = (await ask(steered, "GET", "/_simulator/truth")).json()
    assert truth == told["truth"]
    shown = (await ask(steered, "GET", "/_simulator/conversations")).json()
    assert shown[1]["last_message"]["text"] == "Is it in stock?"


@pytest.mark.parametrize(
    ("action", "given", "field", "value"),
    [
        ("assign", {"agent": "Ben Carter"}, "assignee", {"id": "3", "name": "Ben Carter"}),
        ("assign", {"agent": None}, "assignee", None),
        ("set_team", {"team": "Billing"}, "team", {"id": "3", "name": "Billing"}),
        ("set_labels", {"labels": ["vip", "hot"]}, "labels", ["hot", "vip"]),
        ("set_priority", {"priority": "urgent"}, "priority", "urgent"),
        ("set_status", {"status": "pending"}, "status", "pending"),
        ("archive", {}, "archived", True),
        ("snooze", {"until": "2026-11-21T08:00:00Z"}, "status", "snoozed"),
        ("rename_contact", {"name": "Ada"}, "contact", None),
    ],
)
async def test_an_action_changes_the_conversation(
    action: str, given: dict[str, Any], field: str, value: Any
) -> None:
    steered = opened("chatwoot", "--conversations", "2")
    assert "error" not in await do(steered, action, conversation=1, **given)
    shown = (await ask(steered, "GET", "/_simulator/conversations")).json()[0]
    assert (shown[field]["name"] == "Ada") if field == "contact" else (shown[field] == value)


@pytest.mark.parametrize(
    ("action", "given", "shown"),
    [
        ("greet", {}, {"message_type": 3, "sender_type": None}),
        ("answer", {}, {"message_type": 1, "sender_type": "User"}),
        ("answer", {"by": "bot"}, {"message_type": 1, "sender_type": "AgentBot"}),
        ("answer", {"by": "phone"}, {"content_attributes": {"external_echo": True}}),
        ("attach", {"attachments": ["image"]}, {"message_type": 0, "content": None}),
        ("message", {"text": "x", "subject": "Order 4"}, {"content_type": "incoming_email"}),
        ("retract", {}, {"content_attributes": {"deleted": True}}),
    ],
)
async def test_who_answers_and_what_a_message_holds_can_be_said(
    action: str, given: dict[str, Any], shown: dict[str, Any]
) -> None:
    steered = opened("chatwoot", "--conversations", "1")
    assert "error" not in await do(steered, action, conversation="1", **given)
    headers = {"Api-Access-Token": steered.account.token}
    path = "/api/v1/accounts/3/conversations/1"
    line = (await ask(steered, "GET", path, headers=headers)).json()["last_non_activity_message"]
    assert {key: line[key] for key in shown} == shown


async def test_an_old_conversation_comes_into_view() -> None:
    steered = opened("chatwoot", "--conversations", "1")
    told = await do(steered, "appear", text="Still there?", days=40)
    assert [entry["type"] for entry in told["truth"]] == [
        "conversation.message",
        "conversation.unread",
        "conversation.waiting",
    ]


async def test_conversations_begin_and_stories_go_on() -> None:
    steered = opened("leadping", "--conversations", "2")
    assert (await do(steered, "create", text="Hello"))["truth"][0]["type"] == "conversation.created"
    told = await do(steered, "step")
    assert told["said"].startswith("Leadping: ")
    assert told["truth"]
    about = (await ask(steered, "GET", "/_simulator/")).json()
    assert about["conversations"] >= 3
    assert about["actions"]["message"][:4] == ["conversation", "text", "direction", "sender"]
    assert about["actions"]["appear"] == ["text", "days"]


@pytest.mark.parametrize(
    ("action", "given", "status", "words"),
    [
        ("fly", {}, 400, "there is no action fly"),
        ("message", {"conversation": "99", "text": "x"}, 400, "there is no conversation 99"),
        ("message", {}, 400, "lacks text"),
        ("message", {"text": 7}, 400, "valid string"),
        ("message", {"text": "x", "loud": True}, 400, "unknown: loud"),
        ("assign", {"agent": "Zoe"}, 400, "there is no Zoe; there are Grace Hill"),
        ("star", {}, 409, "chatwoot has no such thing as a star"),
        ("faults", {"status": "slow"}, 400, "a fault is"),
        ("faults", {"status": 429, "after": "x"}, 400, "`after` is the number"),
    ],
)
async def test_what_cannot_be_done_is_said(
    action: str, given: dict[str, Any], status: int, words: str
) -> None:
    steered = opened("chatwoot", "--conversations", "2")
    answer = await ask(steered, "POST", f"/_simulator/{action}", json=given)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert not steered.world.truth.entries


async def test_a_body_that_is_not_an_object_is_refused() -> None:
    answer = await ask(opened("chatwoot"), "POST", "/_simulator/message", content=b"text=hi")
    assert (answer.status_code, answer.json()) == (400, {"error": "the body is a JSON object"})


async def test_faults_are_planned_over_http_and_ended() -> None:
    steered = opened("chatwoot", "--conversations", "2")
    assert await do(steered, "faults", status=429, wait=7, after=1) == {"fails_from": 2}
    assert [await listed(steered, "chatwoot") for _ in range(3)] == [200, 429, 429]
    await ask(steered, "DELETE", "/_simulator/faults")
    assert await listed(steered, "chatwoot") == 200
    for fault in ({"html": 502}, {"cut": True}, {"slow": 0.01}, {"endless": 9, "text": 99}):
        assert "error" not in await do(steered, "faults", **fault)


async def test_faults_are_planned_on_the_command_line() -> None:
    steered = opened("chatwoot", "--status", "500", "--after", "2")
    assert [await listed(steered, "chatwoot") for _ in range(3)] == [200, 200, 500]


def test_the_same_seed_opens_the_same_world() -> None:
    def names(*more: str) -> list[str | None]:
        conversations: list[Conversation] = opened("highlevel", *more).account.living()
        return [each.state.contact.name for each in conversations]

    assert names("--seed", "3") == names("--seed", "3") != names("--seed", "4")


def test_times_are_read_as_people_write_them() -> None:
    assert [seconds(text) for text in ("2s", "500ms", "1.5s", "1m")] == [2, 0.5, 1.5, 60]
    with pytest.raises(SystemExit):
        read_arguments(["chatwoot", "--slow", "2"])
