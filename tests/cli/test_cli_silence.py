"""`silence` and `ack`: with a running daemon, which heeds them at once, and without one."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest

from tests.cli.harness import Harness, json_lines, wait_until
from watcher.cli.console import NotOne
from watcher.cli.ids import only_one
from watcher.records import DeliveryQuery

MATCH = 'conversation.contact.name == "nobody" || source == "support"'


def add(harness: Harness, *more: str, match: str = MATCH) -> Any:
    return harness.run("silence", "add", "--match", match, "--reason", "moving house", *more)


def test_what_is_silenced_is_not_sent_and_says_by_what(harness: Harness, running: Any) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        added = add(harness, "--for", "2h")
        assert added.exit_code == 0, added.stderr
        (name,) = added.stdout.split()
        harness.world.message(harness.account.conversations["1"], "Nobody shall hear this")
        wait_until(lambda: harness.ask(lambda s: s.deliveries(DeliveryQuery(state="cancelled"))))
        wait_until(
            lambda: json_lines(harness.run("silence", "list", "--json").stdout)[0]["stopped"]
        )
        assert harness.run("silence", "expire", name).exit_code == 0
        harness.world.message(harness.account.conversations["2"], "But this one")
        wait_until(lambda: harness.receiver.got)
        assert daemon.stop(signal.SIGTERM) == 0
    assert {event["subject"] for event in harness.receiver.got} == {"2"}
    (owed, *_) = harness.ask(lambda s: s.deliveries(DeliveryQuery(state="cancelled")))
    assert f"by {name}: moving house" in owed.note
    (listed,) = json_lines(harness.run("silence", "list", "--all", "--json").stdout)
    assert (listed["active"], listed["state"]) == (False, "expired")
    assert listed["stopped"] >= 1
    assert name in harness.run("silence", "list", "--all").stdout
    assert "nothing is silenced" in harness.run("silence", "list").stderr


def test_without_a_daemon_the_next_one_heeds_it(harness: Harness, running: Any) -> None:
    assert harness.run("run", "--once").exit_code == 0
    (name,) = add(harness, "--for", "1h").stdout.split()
    listed = harness.run("silence", "list").stdout
    assert name in listed
    assert "moving house" in listed
    harness.world.message(harness.account.conversations["1"], "Nobody shall hear this")
    assert harness.run("run", "--once").exit_code == 0
    assert harness.receiver.got == []


def test_a_wrong_condition_is_refused_with_what_was_meant(harness: Harness) -> None:
    wrong = add(harness, "--for", "1h", match="conversation.chanel == 'sms'")
    assert wrong.exit_code == 2
    assert "chanel" in wrong.stderr
    assert "channel" in wrong.stderr
    assert not harness.store.exists()


@pytest.mark.parametrize(
    ("match", "says"),
    [
        (
            'source == "suport"',
            "no source is named `suport`; did you mean `support`?; sources: support",
        ),
        ('receiver in ["crm", "nobody"]', "no receiver is named `nobody`; receivers: crm"),
        ('rule == "All"', "no rule is named `All`; rules: Everything to the CRM"),
    ],
)
def test_a_silence_about_what_there_is_not_is_refused(
    harness: Harness, match: str, says: str
) -> None:
    wrong = add(harness, "--for", "1h", match=match)
    assert wrong.exit_code == 2
    assert says in " ".join(wrong.stderr.replace("│", " ").split())
    assert not harness.store.exists()
    assert add(harness, "--for", "1h", match='rule.startsWith("All")').exit_code == 0


def test_what_is_not_there_cannot_be_expired(harness: Harness) -> None:
    assert harness.run("run", "--once").exit_code == 0
    told = harness.run("silence", "expire", "0000")
    assert told.exit_code == 1
    assert "error: there is no silence 0000" in told.stderr


def test_an_acknowledged_conversation_reminds_nobody_until_it_changes(
    harness: Harness, running: Any
) -> None:
    harness.write(
        more="  - name: Nobody looked\n    when: conversation.unread\n    for: 1h\n    notify: crm\n"
    )

    def waiting() -> list[Any]:
        owed = harness.ask(lambda s: s.deliveries(DeliveryQuery(state="pending")))
        return [one for one in owed if one.timer]

    with running("run") as daemon:
        daemon.wait_for("baseline done")
        harness.world.message(harness.account.conversations["1"], "Is anybody there?")
        wait_until(waiting)
        told = harness.run("ack", "1")
        assert told.exit_code == 0, told.stderr
        assert told.stdout == "acknowledged: 1 pending message cancelled\n"
        assert waiting() == []
        harness.world.message(harness.account.conversations["1"], "Hello?")
        wait_until(waiting)
        assert daemon.stop(signal.SIGTERM) == 0
    told = harness.run("ack", "1", "--source", "support")
    assert told.stdout == "acknowledged: 1 pending message cancelled\n"
    explained = [
        entry
        for story in json_lines(harness.run("why", "1", "--json", "--limit", "50").stdout)
        for owed in story["deliveries"]
        for entry in owed["history"]
        if "acknowledged" in entry["note"]
    ]
    assert len(explained) == 2, json.dumps(explained)


def test_a_conversation_that_nobody_knows_cannot_be_acknowledged(harness: Harness) -> None:
    assert harness.run("run", "--once").exit_code == 0
    told = harness.run("ack", "no-such-one")
    assert told.exit_code == 1
    assert "no event is recorded about the conversation no-such-one" in told.stderr
    assert harness.run("ack", "1", "--source", "suport").exit_code == 2


def test_a_silence_has_an_author_is_prolonged_and_named_by_its_beginning(harness: Harness) -> None:
    assert harness.run("run", "--once").exit_code == 0
    (name,) = add(harness, "--for", "1h", "--author", "Ana").stdout.split()
    (listed,) = json_lines(harness.run("silence", "list", "--json").stdout)
    assert (listed["id"], listed["author"], listed["state"]) == (name, "Ana", "in force")
    (row,) = harness.run("silence", "list").stdout.splitlines()[1:]
    assert row.split()[:3] == [name, "in", "force"]
    assert re.search("  Ana +moving house  ", row)
    prolonged = harness.run("silence", "extend", name[:4], "--for", "3h")
    assert prolonged.stdout.startswith(f"{name} lasts until ")
    (longer,) = json_lines(harness.run("silence", "list", "--json").stdout)
    assert longer["ends"] > listed["ends"]
    assert longer["starts"] == listed["starts"]
    assert harness.run("silence", "expire", name[:5]).stdout == f"{name} has ended\n"
    over = harness.run("silence", "expire", name)
    assert (over.exit_code, over.stderr.splitlines()[0]) == (
        1,
        f"error: the silence {name} is over already",
    )
    assert "expired" in harness.run("silence", "list", "--all").stdout
    assert harness.run("silence", "extend", name, "--for", "1h").exit_code == 0
    (again,) = json_lines(harness.run("silence", "list", "--json").stdout)
    assert again["active"] is True


def test_by_default_the_login_is_the_author(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    assert add(harness, "--for", "1h").exit_code == 0
    (listed,) = json_lines(harness.run("silence", "list", "--json").stdout)
    assert listed["author"] == "grace"


def test_a_configured_silence_is_changed_in_the_configuration(harness: Harness) -> None:
    harness.write(more="silences: [{name: Fair, match: 'true', reason: fair, until: 2026-01-01}]\n")
    harness.fill()
    told = harness.run("silence", "extend", "Fair", "--for", "1h")
    assert told.exit_code == 1
    assert "is in the configuration" in told.stderr
    (listed,) = json_lines(harness.run("silence", "list", "--all", "--json").stdout)
    assert (listed["id"], listed["author"], listed["state"]) == ("Fair", None, "expired")


def test_several_silences_that_begin_so_are_listed() -> None:
    with pytest.raises(NotOne, match="silence ab is ambiguous: abc, abd") as refused:
        only_one("silence", "ab", ["abc", "abd", "b"], "")
    assert refused.value.remedy == "write more of it"
    assert only_one("silence", "ab", ["abc", "ab"], "") == "ab"
