"""What the fake Chatwoot's version decides, and that another may be installed under way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.asking_chatwoot import LIST, index, listed, show
from tests.simulator.harness import Harness, ask
from tests.simulator.test_steering import do, opened
from watcher.simulator import Impossible, Viewer, chatwoot
from watcher.simulator.contract import canonical
from watcher.simulator.versions import NEWEST, Version, read_version

ABSENT: dict[Version, set[str]] = {
    (2, 16, 0): {
        "last_activity_at", "priority", "uuid", "waiting_since", "sla_policy_id", "updated_at",
    },
    (2, 17, 0): {"uuid", "waiting_since", "sla_policy_id", "updated_at"},
    (2, 18, 0): {"waiting_since", "sla_policy_id", "updated_at"},
    (3, 0, 0): {"sla_policy_id", "updated_at"},
    (3, 7, 0): {"updated_at"},
    (3, 16, 0): {"updated_at"},
    (4, 0, 2): set(),
    (4, 15, 1): set(),
}  # fmt: skip
"""The keys that rows lack, as seen on v2.16.0, v3.16.0 and v4.15.1, and by the milestones between."""


@pytest.mark.parametrize("version", ABSENT)
async def test_rows_lack_the_keys_that_their_version_did_not_have(version: Version) -> None:
    harness = Harness("chatwoot")
    harness.create("Hi")
    whole = (await index(harness)).json()["data"]["payload"][0]
    old = (await index(harness, {"version": version})).json()["data"]["payload"][0]
    looked_up = (await show(harness, "1", version=version)).json()
    assert set(whole) - set(old) == set(whole) - set(looked_up) == ABSENT[version]
    assert ("blocked" in old["meta"]["sender"]) == (version >= (4, 0, 2))
    assert old["timestamp"] == whole["last_activity_at"]


async def test_old_versions_show_up_to_ten_unread_lines_and_count_them_all() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("1")
    harness.world.answer(conversation, "2")

    async def shown(version: Version) -> tuple[list[str], int]:
        row = (await show(harness, "1", version=version)).json()
        return [line["content"] for line in row["messages"]], row["unread_count"]

    assert await shown((2, 16, 0)) == (["1", "2"], 1)
    assert await shown((3, 0, 0)) == (["2"], 1)
    for number in range(3, 15):
        harness.world.message(conversation, str(number))
    assert await shown((2, 16, 0)) == ([str(number) for number in range(5, 15)], 13)
    assert await shown((3, 0, 0)) == (["14"], 10)
    harness.world.read(conversation)
    assert await shown((2, 16, 0)) == (["14"], 0)
    harness.world.answer(conversation, "15")
    assert await shown((2, 16, 0)) == (["15"], 0)


@pytest.mark.parametrize(
    ("version", "params", "expected"),
    [
        ((3, 3, 0), {"sort_by": "created_at_asc"}, [2, 1]),
        ((3, 4, 0), {"sort_by": "created_at_asc"}, [1, 2]),
        ((3, 5, 0), {"updated_within": 0}, [2, 1]),
        ((3, 6, 0), {"updated_within": 0}, []),
        ((4, 14, 0), {"sort_by": "unread"}, [2, 1]),
        ((4, 15, 0), {"sort_by": "unread"}, [1, 2]),
    ],
)
async def test_orders_and_windows_are_ignored_by_versions_before_them(
    version: Version, params: dict[str, Any], expected: list[int]
) -> None:
    harness = Harness("chatwoot")
    harness.create("Hi")
    harness.world.read(harness.create("Hi"))
    harness.clock.forward(10)
    assert listed(await index(harness, {"version": version}, **params)) == expected


@pytest.mark.parametrize(("version", "status"), [((4, 7, 0), 401), ((4, 8, 0), 200)])
async def test_a_member_of_the_team_looks_up_since_4_8(version: Version, status: int) -> None:
    harness = Harness("chatwoot")
    team = harness.account.teams[0]
    conversation = harness.create("Hi", inbox=harness.account.inboxes[1])
    harness.world.set_team(conversation, team)
    only = Viewer("2", "agent", inboxes=frozenset({1}), teams=frozenset({team.id}))
    harness.account.tokens["agent"] = only
    assert (await show(harness, "1", token="agent", version=version)).status_code == status


async def test_get_api_tells_the_version_to_everybody() -> None:
    harness = Harness("chatwoot")
    app = chatwoot.app(harness.world)
    told = await ask(app, "GET", "/api")
    assert told.json() == {
        "version": "4.15.1",
        "timestamp": "2026-11-20 10:00:00",
        "queue_services": "ok",
        "data_services": "ok",
    }
    harness.world.install(harness.account, (3, 16, 0))
    assert (await ask(app, "GET", "/api")).json()["version"] == "3.16.0"


@pytest.mark.parametrize("path", [LIST, f"{LIST}?updated_within=0", f"{LIST}/1", "/api"])
async def test_an_answer_that_the_caller_has_is_304_without_a_body(path: str) -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hi")
    app = chatwoot.app(harness.world)
    headers = {"Api-Access-Token": harness.account.token}
    first = await ask(app, "GET", path, headers=headers)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    again = await ask(app, "GET", path, headers={**headers, "If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    harness.clock.forward(1)
    harness.world.message(conversation, "Hello?")
    later = await ask(app, "GET", path, headers={**headers, "If-None-Match": tag})
    assert (later.status_code == 304) == ("within=0" in path)  # still empty


def test_the_truth_is_about_what_the_version_shows() -> None:
    harness = Harness("chatwoot")
    world, account = harness.world, harness.account
    conversation = harness.create("Hi")
    world.set_priority(conversation, "high")
    world.install(account, (2, 16, 0))
    harness.told()
    with pytest.raises(Impossible, match="priority"):
        world.set_priority(conversation, "low")
    for _ in range(10):
        world.message(conversation, "Hello?")
    assert harness.told().count("unread") == 10
    assert canonical("chatwoot", conversation.state, account.version)["unread_count"] == 11
    assert canonical("chatwoot", conversation.state, account.version)["priority"] is None
    label = account.labels[0]
    world.set_labels(conversation, [label])
    assert world.delete_label(account, label) == []
    assert conversation.state.labels == (label,)


@pytest.mark.parametrize("version", [(4, 11, 0), (4, 12, 0)])
async def test_an_edit_moves_updated_at_before_4_12(version: Version) -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hi")
    harness.world.install(harness.account, version)
    harness.clock.forward(60)
    harness.world.edit(conversation, "Hello")
    windowed = listed(await index(harness, {"version": version}, updated_within=5))
    assert windowed == ([1] if version < (4, 12, 0) else [])


@pytest.mark.parametrize(
    ("text", "version"),
    [("v2.16", (2, 16, 0)), ("3.16.0", (3, 16, 0)), (" v4.15.1 ", (4, 15, 1))],
)
def test_versions_are_read_as_people_write_them(text: str, version: Version) -> None:
    assert read_version(text) == version


@pytest.mark.parametrize("text", ["", "4", "four", "4.15.1.2", "latest"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        read_version(text)


async def test_a_version_is_installed_by_command_line_and_steering() -> None:
    steered = opened("chatwoot", "--chatwoot-version", "2.16")
    assert steered.account.version == (2, 16, 0)
    assert await do(steered, "install", version="3.16") == {"version": "3.16.0"}
    assert (await ask(steered, "GET", "/api")).json()["version"] == "3.16.0"
    assert (await ask(steered, "GET", "/_simulator/")).json()["version"] == "3.16.0"
    assert "is not a version" in (await do(steered, "install", version="newest"))["error"]
    assert "unknown: when" in (await do(steered, "install", version="3.16", when="now"))["error"]
    assert opened("chatwoot").account.version == NEWEST
    elsewhere = await do(opened("leadping"), "install", version="3.16")
    assert elsewhere["error"] == "leadping has no such thing as versions"
