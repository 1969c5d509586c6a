"""Broken configurations, each with what is said about it at its end.

A line `# expect LINE:COLUMN: text` is the beginning of one problem; there must be as many
problems as such lines, in the same order, and none may hold a secret. Everything secret in the
files, and in the environment, has `hush` in it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.config.small_providers import PROVIDERS
from watcher.config.load import load
from watcher.errors import ConfigError

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
ENVIRON = {
    "TOKEN": "hush-not-a-real-token",
    "EMPTY": "",
    "PROVIDER": "plain",
    "ODD_QUOTED": '"hush-quoted"',
    "ODD_RETURN": "hush-returned\r",
    "ODD_TWO": "json://hush/a, json://hush/b",
    "ODD_PASSWORD": "mailto://user:hush@hush@localhost?from=a@b.example",
    "ODD_SPACE": "Bearer hush ",
}


def problems_of(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load([file], environ=ENVIRON, providers=PROVIDERS)
    return [str(problem).replace(str(file.parent), "…") for problem in caught.value.problems]


def test_there_are_at_least_twenty() -> None:
    assert len(BROKEN) >= 20


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_broken_configuration_says_where_what_and_how_to_mend_it(file: Path) -> None:
    expected = re.findall(r"^# expect (.+)$", file.read_text(), re.M)
    said = [problem.removeprefix(f"…/{file.name}:").strip() for problem in problems_of(file)]
    assert expected
    assert len(said) == len(expected), "\n".join(said)
    for problem, beginning in zip(said, expected, strict=True):
        assert problem.startswith(beginning), "\n".join(said)


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_no_problem_shows_a_secret_or_takes_two_lines(file: Path) -> None:
    for problem in problems_of(file):
        assert "hush" not in problem
        assert "\n" not in problem
        assert "Traceback" not in problem


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_without_secrets_nothing_more_is_wrong(file: Path) -> None:
    with_secrets = problems_of(file)
    try:
        load([file], environ={}, providers=PROVIDERS, secrets=False)
    except ConfigError as error:
        without = [str(problem).replace(str(file.parent), "…") for problem in error.problems]
        assert set(without) <= set(with_secrets)
