"""What a command may import: the start of a program is the import of its libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.cli.harness import Harness, Running

HEAVY = {
    "apprise", "attr", "cel", "httpcore", "httpx", "jinja2", "jmespath", "prometheus_client", "pydantic",
    "starlette", "structlog", "uvicorn",
    "watcher.conditions", "watcher.config.load", "watcher.config.model", "watcher.daemon", "watcher.demo",
    "watcher.dispatcher", "watcher.notify", "watcher.pipeline", "watcher.poller", "watcher.providers",
    "watcher.rules", "watcher.simulator", "watcher.templates", "watcher.transport", "watcher.web",
}  # fmt: skip
"""What no command needs that asks the daemon, or reads the store."""

LATE = HEAVY | {"anyio", "asyncio", "sqlite3", "watcher.model", "watcher.store", "yaml"}
"""What is imported when there is a store or a configuration to look at."""

PROGRAM = """
import json, sys
from watcher.cli import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def imported(harness: Harness, *arguments: str) -> set[str]:
    """Return the modules that a command has imported at its end."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, **harness.environ, "INBOX_WATCHER_CONFIG": str(harness.config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    modules: list[str] = json.loads(ended.stderr.splitlines()[-1])
    return set(modules)


@pytest.mark.parametrize("command", [[], ["--help"], ["--version"]], ids=" ".join)
def test_what_reads_nothing_imports_nothing_for_it(harness: Harness, command: list[str]) -> None:
    assert not imported(harness, *command) & LATE


def test_what_asks_the_daemon_or_reads_the_store_imports_no_more(
    harness: Harness, running: Callable[..., AbstractContextManager[Running]]
) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        for command in (
            ("status",),
            ("status", "--json"),
            ("status", "--check", "--all"),
            ("events",),
            ("events", "--json", "--since", "1h", "--type", "source.*"),
        ):
            found = imported(harness, *command) & HEAVY
            assert not found, f"{' '.join(command)} imports {', '.join(sorted(found))}"


def test_a_daemon_imports_no_command_line_of_a_library_nor_what_its_rules_do_not_need(
    harness: Harness,
) -> None:
    found = imported(harness, "run", "--once")
    assert "watcher.daemon" in found
    left = {"apprise", "attr", "cel", "pygments", "rich", "watcher.demo", "watcher.simulator"}
    assert not found & left
    condition = (
        "[{name: A, when: conversation.unread, where: 'conversation.archived', notify: crm}]"
    )
    text = harness.config.read_text()
    harness.config.write_text(text[: text.index("rules:")] + f"rules: {condition}\n")
    assert imported(harness, "run", "--once") & left == {"cel"}
