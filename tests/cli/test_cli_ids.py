"""Ids: short where they are shown, and their beginning is enough everywhere."""

from __future__ import annotations

import dataclasses
import signal
from typing import Any

import pytest

from tests.cli.harness import NOW, Harness, dead, json_lines, wait_until
from watcher.daemon.sample import sample
from watcher.model import Delivery
from watcher.records import Commit, DeliveryQuery


def owed(id_: str, receiver: str = "crm", subject: str = "4711", **changed: Any) -> Commit:
    """Make a dead delivery of an event with this id."""
    event = dataclasses.replace(sample("support", "chatwoot", NOW, id_), id=id_, subject=subject)
    given_up: dict[str, Any] = {"rule": "Everything", "due": NOW, "created": NOW, "state": "dead"}
    given_up |= {"attempt": 3, "settled": NOW}
    deliveries = (Delivery(id_, event, receiver, **given_up | changed),)
    return Commit("support", events=(event,), deliveries=deliveries)


@pytest.fixture
def stored(harness: Harness) -> Harness:
    """Two deliveries of one event, and one of an event with a similar id."""
    first, second = owed("abc1" + "0" * 28), owed("abc1" + "0" * 28, receiver="team")
    both = dataclasses.replace(first, deliveries=(*first.deliveries, *second.deliveries))
    harness.fill(both, owed("abc2" + "0" * 28, subject="4712"), owed("47" + "0" * 30, subject="98"))
    return harness


def test_tables_show_short_ids_that_are_taken_everywhere(stored: Harness) -> None:
    rows = [line.split()[0] for line in stored.run("deliveries").stdout.splitlines()[1:]]
    assert rows == ["abc100000000/crm", "abc100000000/team", "abc200000000/crm", "470000000000/crm"]
    for name in rows:
        shown = json_lines(stored.run("deliveries", "show", "--json", name).stdout)
        assert [(one["id"][:12], one["receiver"]) for one in shown] == [tuple(name.split("/"))]
        assert len(json_lines(stored.run("why", "--json", name).stdout)) == 1
    assert stored.run("deliveries", "retry", rows[1]).stdout == "1 delivery is to be sent again\n"
    left = stored.ask(lambda store: store.deliveries(DeliveryQuery(state="dead")))
    assert [one.receiver for one in left] == ["crm", "crm", "crm"]
    events = [line.split()[2] for line in stored.run("events").stdout.splitlines()]
    assert events == ["abc100000000", "abc200000000", "470000000000"]
    for name in events:
        (story,) = json_lines(stored.run("why", "--json", name).stdout)
        assert story["event"]["id"][:12] == name


@pytest.mark.parametrize(
    ("command", "ids"),
    [
        (("deliveries", "show", "abc1"), 2),
        (("deliveries", "show", "abc1/team"), 1),
        (("deliveries", "show", "abc10/crm"), 1),
        (("deliveries", "show", "abc1/nobody"), 0),
        (("why", "abc2"), 1),
        (("why", "4711"), 1),
        (("why", "9"), 1),
        (("why", ""), 0),
        (("why", "470"), 1),
        (("why", "xyz"), 0),
    ],
)
def test_the_beginning_of_an_id_is_enough(stored: Harness, command: Any, ids: int) -> None:
    result = stored.run(*command, "--json")
    assert len(json_lines(result.stdout)) == ids
    assert result.exit_code == (0 if ids else 1)


@pytest.mark.parametrize(
    ("command", "candidates"),
    [
        (("deliveries", "show", "abc"), ["delivery abc1" + "0" * 28, "delivery abc2" + "0" * 28]),
        (("deliveries", "retry", "abc"), ["delivery abc1" + "0" * 28]),
        (("why", "abc"), ["event abc1" + "0" * 28, "event abc2" + "0" * 28]),
        (("why", "47"), ["event 47" + "0" * 30, "conversation 4711", "conversation 4712"]),
        (("ack", "47"), ["conversation 4711", "conversation 4712"]),
        (("events", "--conversation", "471"), ["conversation 4711", "conversation 4712"]),
    ],
)
def test_an_ambiguous_beginning_lists_what_it_may_mean(
    stored: Harness, command: Any, candidates: list[str]
) -> None:
    result = stored.run(*command)
    assert result.exit_code == 1
    cause, remedy = result.stderr.splitlines()
    assert "is ambiguous: " in cause
    assert all(one in cause for one in candidates)
    assert remedy == "help: write more of it"


@pytest.mark.parametrize("name", ["98", "9", "470", "470000000000/crm"])
def test_a_conversation_is_acknowledged_by_whatever_names_it(stored: Harness, name: str) -> None:
    result = stored.run("ack", name)
    assert (result.exit_code, result.stdout) == (0, "acknowledged: 0 pending messages cancelled\n")


@pytest.mark.parametrize(
    "arguments", [("why", "\udcff"), ("deliveries", "--receiver", "\udcff"), ("ack", "\udcff")]
)
def test_bytes_that_are_no_text_are_wrong_usage(
    stored: Harness, arguments: tuple[str, ...]
) -> None:
    result = stored.run(*arguments)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2,
        "error: an argument is no valid text",
    )


def test_filters_narrow_ids(stored: Harness) -> None:
    said = stored.run("deliveries", "retry", "abc1", "--receiver", "team").stdout
    assert said == "1 delivery is to be sent again\n"
    refused = stored.run("deliveries", "retry", "abc1", "--receiver", "crm", "--rule", "Other")
    assert refused.exit_code == 2
    assert "there is no rule" in refused.stderr
    assert stored.run("deliveries", "retry", "abc2", "--since", "1h").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("deliveries", "--receiver", "cmr"), "there is no receiver 'cmr'; did you mean 'crm'?"),
        (("deliveries", "retry", "--receiver", "cmr"), "there is no receiver 'cmr'"),
        (("deliveries", "--rule", "Everthing to the CRM"), "did you mean 'Everything to the CRM'?"),
        (("deliveries", "--source", "suport"), "did you mean 'support'?"),
        (("deliveries", "--type", "conversation.unred"), "did you mean 'conversation.unread'?"),
        (("events", "--source", "suport"), "there is no source 'suport'; did you mean 'support'?"),
    ],
)
def test_a_misspelt_filter_is_no_emptiness(
    stored: Harness, arguments: tuple[str, ...], words: str
) -> None:
    result = stored.run(*arguments)
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.stderr.replace("│", " ").split())


def test_what_is_stored_of_a_removed_part_is_still_found(stored: Harness) -> None:
    rows = stored.run("deliveries", "--receiver", "team").stdout.splitlines()
    assert len(rows) == 2  # `team` is not configured
    assert len(stored.run("deliveries", "--rule", "Everything").stdout.splitlines()) == 5


@pytest.mark.parametrize(
    ("state", "names"), [("due", "ae"), ("waiting", "b"), ("held", "c"), ("pending", "abce")]
)
def test_pending_is_due_waiting_or_held(harness: Harness, state: str, names: str) -> None:
    later = NOW.replace(year=NOW.year + 1)
    waits: dict[str, Any] = {"state": "pending", "settled": None, "note": "", "attempt": 0}
    commits = {
        "a": dead("a", **waits),
        "b": dead("b", **waits, due=later, kind="for", timer="Everything"),
        "c": dead("c", **waits, due=later, held=True),
        "d": dead("d"),
        "e": dead("e", **waits | {"attempt": 2}, due=later),
    }
    harness.fill(*commits.values())
    by_id = {commit.deliveries[0].id[:12]: name for name, commit in commits.items()}
    lines = harness.run("deliveries", "--state", state).stdout.splitlines()[1:]
    assert "".join(by_id[line.split("/")[0]] for line in lines) == names
    if state == "waiting":
        assert lines[0].split()[1] == "waiting"
        assert lines[0].endswith("if it is still unread then")
    shown = json_lines(harness.run("deliveries", "--json", "--state", state).stdout)
    assert {one["state"] for one in shown} == {"pending"}
    assert "".join(by_id[one["id"][:12]] for one in shown) == names
    receiver = json_lines(harness.run("status", "--json").stdout)[-1]
    assert {part: receiver[part] for part in ("pending", "due", "waiting", "held", "dead")} == {
        "pending": 4, "due": 2, "waiting": 1, "held": 1, "dead": 1,
    }  # fmt: skip


def test_a_running_daemon_sends_again_what_a_beginning_names(
    harness: Harness, running: Any
) -> None:
    first, second = dead("a"), dead("b")
    harness.fill(first, second)
    with running("run") as daemon:
        daemon.wait_for("watching")
        id_ = first.deliveries[0].id
        result = harness.run("deliveries", "retry", f"{id_[:12]}/crm")
        assert result.stdout == "1 delivery is to be sent again\n"
        assert wait_until(lambda: harness.receiver.got)[0]["id"] == id_
        assert daemon.stop(signal.SIGTERM) == 0
    assert len(harness.receiver.got) == 1
