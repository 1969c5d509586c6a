"""`conversations`: what is known now, and the provider's own rows."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest

from tests.cli.harness import Harness, json_lines
from watcher.model import to_plain
from watcher.simulator import leadconnector, leadping


@pytest.fixture
def known(harness: Harness) -> Harness:
    """A store with the four conversations of the simulated account; two customers wait."""
    for id_ in ("3", "2"):
        harness.world.message(harness.account.conversations[id_], f"Is number {id_} in stock?")
    assert harness.run("run", "--once").exit_code == 0
    return harness


def listed(harness: Harness, *options: str) -> list[str]:
    lines = json_lines(harness.run("conversations", "--json", *options).stdout)
    assert all(one["source"] == "support" for one in lines)
    return [one["conversation"]["id"] for one in lines]


def snapshots(harness: Harness) -> dict[str, Any]:
    found = harness.ask(lambda store: store.known("support", ["1", "2", "3", "4"]))
    return {id_: one.conversation for id_, one in found.items()}


def test_who_waits_longest_comes_first(known: Harness) -> None:
    every = snapshots(known)
    waiting = sorted(
        (one.waiting_since, id_) for id_, one in every.items() if one.waiting_since is not None
    )
    assert {"2", "3"} <= {id_ for _, id_ in waiting}
    order = [id_ for _, id_ in waiting if not every[id_].archived]
    assert listed(known, "--waiting") == order
    rest = sorted(id_ for id_, one in every.items() if not one.archived and id_ not in order)
    assert listed(known) == [*order, *rest]
    assert listed(known, "--archived") == sorted(id_ for id_, one in every.items() if one.archived)
    assert listed(known, "--unread", "--source", "support") == [
        id_ for id_ in [*order, *rest] if every[id_].unread
    ]
    head, first, *_ = known.run("conversations").stdout.splitlines()
    assert re.split("  +", head)[:4] == ["id", "source", "state", "waiting"]
    assert re.split("  +", first)[:3] == [order[0], "support", "waiting"]


def test_of_one_person_or_of_nobody(known: Harness) -> None:
    for id_, one in snapshots(known).items():
        asked = (one.assignee.name or one.assignee.id) if one.assignee is not None else ""
        options = ("--assignee", asked, *(("--archived",) if one.archived else ()))
        assert id_ in listed(known, *options)
    assert listed(known, "--assignee", "Nobody of this name") == []
    nothing = known.run("conversations", "--assignee", "Nobody of this name")
    assert (nothing.exit_code, nothing.stderr) == (0, "no conversations\n")


def test_a_list_is_bounded_and_says_that_there_is_more(known: Harness) -> None:
    result = known.run("conversations", "--limit", "1", "--json")
    assert len(json_lines(result.stdout)) == 1
    assert result.stderr == "there are more than 1; --limit shows more\n"
    misspelt = known.run("conversations", "--source", "suport")
    assert misspelt.exit_code == 2
    assert "did you mean 'support'?" in misspelt.stderr


def test_one_conversation_is_shown_field_by_field(known: Harness) -> None:
    conversation = snapshots(known)["2"]
    (plain,) = json_lines(known.run("conversations", "show", "support", "2", "--json").stdout)
    assert plain["conversation"] == to_plain(conversation)
    assert plain["state"] == "waiting"
    lines = known.run("conversations", "show", "support", "2").stdout.splitlines()
    assert lines[0] == "support  2  waiting"
    assert "  last_message.text: Is number 2 in stock?" in lines
    assert f"  contact.name: {conversation.contact.name}" in lines
    assert not any(line.endswith(": null") for line in lines)


def test_what_is_not_known_is_said_with_where_to_look(known: Harness) -> None:
    missing = known.run("conversations", "show", "support", "99")
    assert missing.exit_code == 1
    assert missing.stderr.splitlines() == [
        "error: there is no conversation 99",
        "help: `inbox-watcher conversations --source support` lists those that are known",
    ]
    assert known.run("conversations", "show", "suport", "2").exit_code == 2


def test_raw_is_the_row_of_the_provider_without_secrets_beside_a_daemon(
    known: Harness, running: Any
) -> None:
    with running("run") as daemon:
        daemon.wait_for("watching")
        command = ("conversations", "show", "support", "2", "--raw")
        (row,) = json_lines(known.run(*command, "--json", secrets=False).stdout)
        assert row["id"] == 2
        assert row["messages"][-1]["content"] == "Is number 2 in stock?"
        shown = known.run(*command, secrets=False)
        assert json.loads(shown.stdout) == row
        assert shown.stderr == ""
        assert daemon.stop(signal.SIGTERM) == 0
    refused = known.run(*command, secrets=False)
    assert refused.exit_code == 2
    assert "CHAT_TOKEN" in refused.output
    assert json_lines(known.run(*command, "--json").stdout) == [row]


@pytest.mark.parametrize("kind", ["highlevel", "leadway", "leadping"])
def test_every_provider_shows_its_rows(harness: Harness, kind: str) -> None:
    service = "leadping" if kind == "leadping" else "highlevel"
    account = harness.world.open_account(service, "acc", conversations=3, token="a-token-of-mine")
    module = leadping if service == "leadping" else leadconnector
    settings = "" if service == "leadping" else ", location_id: acc"
    origin = harness.serve(module.app(harness.world))
    harness.write_sources(
        f"  it: {{provider: {kind}, base_url: '{origin}', token: a-token-of-mine{settings}}}\n"
    )
    assert harness.run("run", "--once").exit_code == 0
    for id_ in account.conversations:
        (row,) = json_lines(
            harness.run("conversations", "show", "it", id_[:8], "--raw", "--json").stdout
        )
        assert row["id"] == id_
        assert len(row) > 10
