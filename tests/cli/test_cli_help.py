"""Every command says what it is for, and wrong usage is told with exit status 2."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest
from typer.testing import CliRunner

import watcher
from tests.cli.harness import Harness
from watcher.cli import app

COMMANDS = (
    "run", "check", "demo", "status", "events", "deliveries", "send-test", "release", "schema",
)  # fmt: skip


def test_help_lists_every_command_of_the_contract() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert [name for name in COMMANDS if name not in result.stdout] == []


@pytest.mark.parametrize("command", [(name,) for name in COMMANDS] + [("deliveries", "retry")])
def test_each_command_has_a_sentence_and_help_for_each_option(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    said = [line.strip(" │") for line in result.stdout.splitlines() if line.strip(" │")]
    assert any(line.endswith((".", "off")) for line in said[1:3]), said
    bare = [line for line in said if line.startswith("--") and len(line.split("  ")) < 2]
    assert bare == []


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
        (["deliveries", "retry", "x", "--all-dead"], "one of the three"),
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


def test_the_daemon_brings_no_interactive_shell() -> None:
    loaded = loaded_by("watcher.cli.application")
    assert {"cel", "watcher.daemon"} <= loaded
    assert not {"cel.cli", "prompt_toolkit", "apprise"} & loaded


def test_demo_shows_the_watcher_at_work_for_as_long_as_is_asked() -> None:
    result = CliRunner().invoke(app, ["demo", "--for", "2s"])
    assert result.exit_code == 0, result.output
    assert result.stdout
