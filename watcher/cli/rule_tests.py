"""`test`: run rule tests written in YAML, with the production code.

Rules: finds files and prints results; `watcher.daemon.replay` decides what is sent.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import anyio
import typer

from watcher.cli.commands import ConfiguredCommand
from watcher.cli.console import FAILED, MISUSED, Console
from watcher.cli.daemon_client import load_valid
from watcher.config.files import find_paths
from watcher.config.rule_tests import RuleTest, RuleTests, read_rule_tests
from watcher.daemon.replay import plans_for
from watcher.daemon.rule_runs import Line, compare, run
from watcher.errors import ConfigError, grouped
from watcher.settings.durations import format_duration

__all__ = ["register"]

PATTERNS = ("*.test.yaml", "*.test.yml")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("test", cls=ConfiguredCommand, epilog="Example: inbox-watcher test rules/recipes")(
        run_tests
    )


def run_tests(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            show_default=False,
            help="Files of tests, or folders with `*.test.yaml`; by default those of the"
            " configuration: a file's own tests, or a folder's.",
        ),
    ] = None,
) -> None:
    """Run rule tests: given what happens, what is sent, when, and to whom?"""
    console: Console = ctx.obj
    configured = find_paths(console.asked.config, os.environ)
    files = _find(paths) if paths else _find([one for path in configured for one in _own(path)])
    if not files:
        looked = ", ".join(map(str, paths or configured))
        console.error(
            f"there are no rule tests for {looked}",
            "a file's own tests stand beside it (team.test.yaml for team.yaml), a folder's in it;"
            " docs/rule-tests.md shows how to write one",
        )
        raise typer.Exit(MISUSED)
    failed, passed, stopped, unread = 0, 0, 0, 0
    for file in files:
        try:
            good, bad, not_run = anyio.run(_run_file, console, read_rule_tests(file))
        except ConfigError as wrong:
            unread += 1
            _tell(console, wrong)
            continue
        passed, failed, stopped = passed + good, failed + bad, stopped + not_run
    counts = [f"{passed} passed", f"{failed} failed"]
    if stopped:
        counts.append(f"{stopped} could not be run")
    if unread:
        counts.append(f"none of {unread} {'file' if unread == 1 else 'files'} could be run")
    console.write(", ".join(counts))
    if stopped or unread or failed:
        raise typer.Exit(MISUSED if stopped or unread else FAILED)


def _tell(console: Console, wrong: ConfigError) -> None:
    for line in grouped(wrong.problems):
        console.note(line)


def _own(path: Path) -> list[Path]:
    """Return where the tests of one path of the configuration stand: in a folder, beside a file."""
    if path.is_dir():
        return [path]
    beside = (path.with_name(f"{path.stem}.test{ending}") for ending in (".yaml", ".yml"))
    return [one for one in beside if one.exists()]


def _find(paths: Sequence[Path]) -> list[Path]:
    """Return the test files, each once; a file given by name is used whatever its name is. Subfolders
    and hidden files are left out, as in a configuration.
    """
    files: dict[Path, None] = {}
    for path in paths:
        found = [path]
        if path.is_dir():
            inside = (one for pattern in PATTERNS for one in path.glob(pattern))
            found = sorted(one for one in inside if not one.name.startswith("."))
        files |= dict.fromkeys(found)
    return list(files)


async def _run_file(console: Console, tests: RuleTests) -> tuple[int, int, int]:
    """Run the tests of one file; return how many passed, failed and could not be run."""
    loaded = load_valid(console, tests.rules)
    plans = await plans_for(loaded)
    failed, stopped = 0, 0
    for test in tests.tests:
        try:
            sent = await run(test, loaded, plans)
        except ConfigError as wrong:
            stopped += 1
            _tell(console, wrong)
            continue
        lines = compare(test, sent)
        if any(line.mark != " " for line in lines):
            failed += 1
            _show(console, tests, test, lines)
    good = len(tests.tests) - failed - stopped
    if not failed and not stopped:
        console.write(f"ok    {tests.file}: {good} {'test' if good == 1 else 'tests'}")
    return good, failed, stopped


def _show(console: Console, tests: RuleTests, test: RuleTest, lines: Sequence[Line]) -> None:
    console.write(f"FAIL  {tests.file}:{test.place.line}: {test.name}", "red")
    console.write("      - expected and not sent   + sent and not expected   ! sent otherwise")
    for line in lines:
        style = {"-": "red", "+": "green", "!": "yellow"}.get(line.mark, "")
        console.write(
            f"      {line.mark} {_since(line.at):>8}  {line.receiver}  {line.what}", style
        )
        if line.why:
            console.write(f"                    {line.why}", style)


def _since(time: timedelta) -> str:
    return f"+{format_duration(time)}" if time else "start"
