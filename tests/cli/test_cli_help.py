"""Every command says what it is for, and wrong usage is told with exit status 2."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import watcher
from tests.cli.harness import Harness, dead, json_lines, remembered
from watcher.cli import app
from watcher.cli.commands import RootGroup
from watcher.records import Commit

COMMANDS = (
    "run", "check", "demo", "status", "events", "deliveries", "send-test", "release", "schema",
)  # fmt: skip


def test_help_lists_every_command_of_the_contract() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert [name for name in COMMANDS if name not in result.stdout] == []


def every_command(group: Any = None, *before: str) -> list[tuple[str, ...]]:
    """Return the words of every command and group, as they are typed."""
    group = group or get_command(app)
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found.append((*before, name))
        if hasattr(command, "commands"):
            found += every_command(command, *before, name)
    return found


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_the_help_of_every_command_has_words_and_an_example(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    help_, _, example = result.stdout.partition("\nExample")
    assert f"inbox-watcher {command[0]}" in example
    lines = help_.splitlines()
    assert lines[0].startswith(f"Usage: inbox-watcher {' '.join(command)} [OPTIONS]")
    assert not re.search(r"<|\[\[|\{|timedelta|, 0:00:00|list\[", lines[0] + help_), help_
    assert max(map(len, lines)) <= 80
    # Every argument and every option says what it is, on its line or below it.
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.match(r"  (-|[A-Z]{2,}\b)", line):
            assert re.search(r"\S  +\S", line) or below.startswith(" " * 10), line
    purpose = lines[2 : lines.index("", 2)]
    assert purpose[-1].endswith((".", "?")), purpose


def test_the_program_s_help_lists_every_command_in_a_group() -> None:
    lines = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout.splitlines()
    titles = [line for line in lines if re.fullmatch(r"[A-Z][^:]*:", line)]
    assert titles == [
        "Begin and run:", "See:", "Act:", "Try rules:",
        "Options:", "Options before or after the command's name:",
    ]  # fmt: skip
    named = {line.split()[0] for line in lines if re.match(r"  [a-z]", line)}
    assert {command[0] for command in every_command()} <= named


def test_a_call_without_a_command_is_a_short_help_and_no_failure() -> None:
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) < 12
    assert "inbox-watcher demo" in result.stdout
    assert "inbox-watcher --help" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "cause", "remedy"),
    [
        (["frobnicate"], "No such command 'frobnicate'.", "`inbox-watcher --help`"),
        (["statsu"], "Did you mean 'status'?", "`inbox-watcher --help`"),
        (["release"], "Missing argument 'SOURCE'.", "`inbox-watcher release --help`"),
        (["silence", "add"], "Missing option '--match'.", "`inbox-watcher silence add --help`"),
        (["status", "--jsn"], "No such option: --jsn", "`inbox-watcher status --help`"),
    ],
)
def test_wrong_usage_is_a_line_of_cause_and_a_line_of_remedy(
    arguments: list[str], cause: str, remedy: str
) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "40"})
    assert (result.exit_code, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert cause in first
    assert second.startswith(f"help: {remedy}")


@pytest.mark.parametrize("group", ["deliveries", "silence"])
def test_list_need_not_be_said(harness: Harness, group: str) -> None:
    harness.fill(dead("one"))
    harness.run("silence", "add", "--match", "true", "--reason", "x", "--for", "1h")
    said = harness.run(group, "list", "--json")
    assert said.exit_code == 0
    assert len(json_lines(said.stdout)) == 1
    other = harness.folder / "other.yaml"
    harness.config.rename(other)
    chosen = ["-c", str(other)]
    for options in (chosen, [f"--config={other}"], ["--log-level", "error", *chosen]):
        assert harness.run(group, *options, "--json").stdout == said.stdout
        assert harness.run(group, *options, "list", "--json").stdout == said.stdout
        assert harness.run(*options, group, "--json").stdout == said.stdout
    assert "No such command 'lst'" in harness.run(group, "lst").stderr


# Completion


def completed(harness: Harness, line: str) -> list[str]:
    """Return what the last word of a command line is completed to."""
    words = line.split(" ")
    result = CliRunner().invoke(
        app,
        [],
        prog_name="inbox-watcher",
        env={
            "_INBOX_WATCHER_COMPLETE": "complete_bash",
            "COMP_WORDS": f"inbox-watcher {line}",
            "COMP_CWORD": str(len(words)),
            "INBOX_WATCHER_CONFIG": str(harness.config),
            "CHAT_TOKEN": None,
        },
    )
    return result.stdout.strip("\n").splitlines()


def test_names_and_ids_are_completed(harness: Harness) -> None:
    owed = dead("one")
    harness.fill(owed, Commit("support", state=remembered()))
    added = harness.run("silence", "add", "--match", "true", "--reason", "x", "--for", "1h")
    assert completed(harness, "sta") == ["status"]
    assert completed(harness, "send-test ") == ["crm"]
    assert completed(harness, "release s") == ["support"]
    assert completed(harness, "ack --source ") == ["support"]
    assert completed(harness, "ack ") == ["inbox-watcher-test"]
    assert completed(harness, "silence expire ") == [added.stdout.strip()]
    assert completed(harness, f"--config {harness.config} send-test c") == ["crm"]
    assert completed(harness, f"send-test --config {harness.config} c") == ["crm"]
    assert completed(harness, "run --log-level w") == ["warning"]
    assert completed(harness, "events --type conversation.unr") == ["conversation.unread"]
    assert completed(harness, "events --source ") == ["support"]
    assert completed(harness, "deliveries ") == ["list", "show", "retry"]
    assert completed(harness, "deliveries --rec") == ["--receiver"]
    assert completed(harness, "deliveries --receiver ") == ["crm"]
    assert completed(harness, "deliveries list --rule Ev") == [r"Everything\ to\ the\ CRM"]
    assert completed(harness, "deliveries --state de") == ["dead", "delivered"]
    event = dead("one").events[0].id
    assert [word[:12] for word in completed(harness, "why ")] == [event[:12]]
    assert [word[:12] for word in completed(harness, "deliveries show ")] == [event[:12]]


def test_completion_says_nothing_where_nothing_can_be_read(harness: Harness) -> None:
    harness.config.write_text("sources: [oh, dear\n")
    assert completed(harness, "send-test ") == []
    assert completed(harness, "ack ") == []
    harness.config.unlink()
    assert completed(harness, "release ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_own_script(shell: str) -> None:
    environ = {**os.environ, "SHELL": "/bin/bash"}
    done = subprocess.run(
        [sys.executable, "-m", "watcher", "--show-completion", shell],
        capture_output=True,
        text=True,
        check=True,
        env=environ,
    )
    assert f"complete_{shell}" in done.stdout
    assert done.stderr == ""
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "frobnicate"),
        (["events", "--since", "last week"], "yesterday"),
        (["events", "--since", "2 hours"], "2h"),
        (["events", "--type", "conversation.unred"], "conversation.unread"),
        (["events", "--limit", "0"], "--limit"),
        (["deliveries", "--state", "lost"], "dead"),
        (["deliveries", "retry"], "--all-dead"),
        (["deliveries", "retry", "x", "--all-dead"], "or --all-dead"),
        (["release"], "SOURCE"),
        (["release", "support", "--accept", "--discard"], "not both"),
        (["release", "suport"], "support"),
        (["send-test", "cmr"], "crm"),
        (["check", "--online", "--no-secrets"], "--no-secrets"),
        (["run", "--log-level", "loud"], "warning"),
        (["demo", "--for", "ever"], "30s"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_was_meant(
    harness: Harness, arguments: list[str], words: str
) -> None:
    result = harness.run(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_the_version_is_the_package_s() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"inbox-watcher {watcher.__version__}\n")


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "watcher", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("inbox-watcher ")


def test_schema_prints_a_valid_json_schema_that_knows_the_providers() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {"chatwoot", "highlevel", "leadping", "leadway"} <= set(
        schema["properties"]["sources"]["additionalProperties"]["properties"]["provider"]["enum"]
    )


def loaded_by(module: str) -> set[str]:
    """Return the modules that a process has loaded once it has imported one of ours."""
    question = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", question], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["watcher.__main__", "watcher.notify._apprise_worker"])
def test_what_apprise_s_workers_import_costs_nothing(module: str) -> None:
    """Each worker imports the main module again (anyio.to_process), and needs nothing of ours."""
    loaded = loaded_by(module)
    assert module.rpartition(".")[0] in loaded
    assert not {"typer", "rich", "pydantic", "jinja2", "watcher.model", "watcher.daemon"} & loaded


def test_the_list_of_commands_imports_none_of_them() -> None:
    loaded = loaded_by("watcher.cli.application")
    assert (
        not {"yaml", "httpx", "jinja2", "watcher.model", "watcher.config", "watcher.cli.run"}
        & loaded
    )


@pytest.mark.parametrize("name", RootGroup.listing)
def test_the_list_says_of_each_command_what_its_own_help_says_first(name: str) -> None:
    own = RootGroup.load(name).help
    assert " ".join(own.split("\n\n")[0].split()).startswith(RootGroup.listing[name][1])


def test_the_daemon_brings_no_interactive_shell() -> None:
    loaded = loaded_by('watcher.cli.run; watcher.conditions.compile_condition("true")')
    assert {"cel", "watcher.daemon"} <= loaded
    assert not {"cel.cli", "prompt_toolkit", "apprise"} & loaded


def test_the_demo_logs_as_it_is_asked_to() -> None:
    result = CliRunner().invoke(app, ["demo", "--for", "1s", "--log-level", "info"])
    logged = [json.loads(line)["event"] for line in result.stderr.splitlines()]
    assert "watching" in logged


def test_demo_shows_the_watcher_at_work_for_as_long_as_is_asked() -> None:
    result = CliRunner().invoke(app, ["demo", "--for", "2s"])
    assert result.exit_code == 0, result.output
    assert result.stdout
