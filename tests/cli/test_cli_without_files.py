"""Commands about a running daemon, or its store, need neither valid files nor secrets."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import Harness, dead, json_lines, remembered
from watcher.records import Commit

BROKEN = {
    "no YAML any more": "sources: [oh, dear\n",
    "a misspelt key": "retenton: {events: 7d}\n",
    "a rule that tells nobody": "rules: [{name: Odd, when: conversation.unred, notify: nobody}]\n",
}

EVENT = dead("one").events[0].id
"""The event that each of these stores has."""

READING = [
    ("status",),
    ("status", "--json"),
    ("events",),
    ("conversations",),
    ("deliveries",),
    ("deliveries", "list"),
    ("deliveries", "show", EVENT),
    ("why", EVENT),
    ("silence", "list"),
    ("release", "support"),
]

WHOLE = [*READING[:2], *READING[4:9]]
"""Those that need more of the configuration than names: beside no daemon, its sources and rules."""

READ_WHOLE = "a rule that tells nobody"
"""What is wrong where all files can be read."""


def spoil(harness: Harness, how: str) -> None:
    """Break the configuration as an edit would: the line `store:` is still there."""
    text = BROKEN[how]
    old = harness.config.read_text()
    if text.startswith("rules"):
        old = old[: old.index("rules:")]
    elif text.startswith("sources"):
        old = f"store: {harness.store}\n"
    harness.config.write_text(old + text)


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("command", READING)
def test_a_broken_file_hides_nothing_that_the_store_knows(
    harness: Harness, how: str, command: tuple[str, ...]
) -> None:
    harness.fill(dead("one"), Commit("support", state=remembered()))
    spoil(harness, how)
    result = harness.run(*command, secrets=False)
    assert result.exit_code == 0, result.output
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning")]
    if how == READ_WHOLE and command not in WHOLE:  # its rules are not looked at
        assert not warnings
        return
    (warning,) = warnings
    assert "the configuration is not valid" in warning
    assert str(harness.config) in warning


def test_status_from_the_store_alone_knows_the_sources_and_receivers(harness: Harness) -> None:
    owed = dead("one", state="pending", settled=None)
    harness.fill(owed, Commit("support", state=remembered()))
    spoil(harness, "no YAML any more")
    shown = harness.run("status", secrets=False).stdout
    assert "support" in shown
    assert "crm" in shown


def test_beside_a_daemon_every_command_works_with_a_broken_file_and_without_secrets(
    harness: Harness, running: Any
) -> None:
    harness.fill(dead("one"))
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        spoil(harness, "a misspelt key")
        for command in (
            *READING,
            ("send-test", "crm"),
            ("ack", "1"),
            ("deliveries", "retry", EVENT),
        ):
            result = harness.run(*command, secrets=False)
            expected = 1 if command[0] == "ack" else 0  # there is nothing to acknowledge yet
            assert result.exit_code == expected, result.output
            assert result.stderr.count("warning: the configuration is not valid") == 1
        added = harness.run(
            "silence", "add", "--match", "true", "--reason", "x", "--for", "1h", secrets=False
        )
        assert added.exit_code == 0, added.output
        assert added.stdout.strip() in harness.run("silence", "list", secrets=False).stdout
        ended = harness.run("silence", "expire", added.stdout.strip(), secrets=False)
        assert ended.exit_code == 0, ended.output
        assert daemon.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    "command", [("run", "--once"), ("check",), ("test",), ("backtest",), ("reload",)]
)
def test_a_valid_file_is_demanded_where_it_is_used(
    harness: Harness, command: tuple[str, ...]
) -> None:
    harness.fill(dead("one"))
    spoil(harness, "a misspelt key")
    Path(harness.folder / "watcher.test.yaml").write_text(
        "tests:\n  - name: Nothing\n    events: [{at: 0s, type: source.failing}]\n    expect: []\n"
    )
    result = harness.run(*command)
    assert result.exit_code == 2, result.output
    assert "retenton" in result.stderr


def test_without_a_store_a_broken_file_is_the_answer(harness: Harness) -> None:
    spoil(harness, "a misspelt key")
    result = harness.run("status")
    assert result.exit_code == 2
    assert "unknown key `retenton`" in result.stderr


def test_the_store_can_be_named_where_no_file_can_be_read(harness: Harness) -> None:
    harness.fill(dead("one"))
    harness.config.unlink()
    assert harness.run("events").exit_code == 2
    for arguments in (("events", "--store"), ("--store",)):
        rest = () if "events" in arguments else ("events",)
        result = harness.run(*arguments, str(harness.store), *rest, "--json")
        assert result.exit_code == 0, result.output
        assert len(json_lines(result.stdout)) == 1


def test_a_store_named_beside_a_configuration_comes_first(harness: Harness) -> None:
    harness.fill(dead("one"))
    other = harness.folder / "other.db"
    shutil.copy(harness.store, other)
    harness.store.unlink()
    assert harness.run("deliveries").exit_code == 1
    assert "crm" in harness.run("deliveries", "--store", str(other)).stdout


def test_a_store_is_not_named_where_it_has_no_meaning(harness: Harness) -> None:
    result = harness.run("--store", "x.db", "check")
    assert result.exit_code == 2
    assert "--store is not an option of `check`" in result.stderr


def test_the_store_s_own_variable_is_resolved_by_every_command(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.fill(dead("one"))
    text = harness.config.read_text().replace(str(harness.store), "${STATE_FOLDER}/watcher.db")
    harness.config.write_text(text)
    refused = harness.run("deliveries", secrets=False)
    assert refused.exit_code == 2
    assert "STATE_FOLDER is not set" in refused.stderr
    monkeypatch.setenv("STATE_FOLDER", str(harness.folder))
    assert "crm" in harness.run("deliveries", secrets=False).stdout


def test_names_that_only_the_store_knows_are_taken(harness: Harness) -> None:
    harness.fill(Commit("support", state=remembered()))
    spoil(harness, "no YAML any more")
    result = harness.run("release", "suport")
    assert result.exit_code == 2
    assert "did you mean 'support'?" in result.stderr
    assert harness.run("release", "support").exit_code == 0


@pytest.mark.parametrize("where", ["before", "after"])
def test_shared_options_stand_on_both_sides_of_the_command(harness: Harness, where: str) -> None:
    harness.fill(dead("one"))
    other = harness.folder / "elsewhere.yaml"
    harness.config.rename(other)
    options = ("--config", str(other), "--log-level", "error")
    for command in (("deliveries",), ("deliveries", "retry", "--all-dead"), ("status",)):
        words = (*options, *command) if where == "before" else (*command, *options)
        assert harness.run(*words).exit_code == 0, words


def test_a_relative_store_is_found_from_every_folder(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = harness.config.read_text().replace(f"store: {harness.store}\n", "")
    harness.config.write_text(text)
    assert harness.run("run", "--once").exit_code == 0
    assert (harness.folder / "inbox-watcher.db").exists()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    result = harness.run("status")
    assert result.exit_code == 0, result.output
    assert "support" in result.stdout
    assert list(Path().iterdir()) == []
