"""The cookbook in rules/recipes/: every recipe is valid as it stands, tested, and listed."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import anyio
import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from tests.docs.pages import ROOT, blocks, read
from watcher.cli import app
from watcher.config.load import load
from watcher.config.rule_tests import Case, Expected, Given, Step, Suite, read_rule_tests
from watcher.daemon.replay import plans_for
from watcher.daemon.rule_runs import compare, run
from watcher.rules import Rule

FOLDER = ROOT / "rules" / "recipes"
RECIPES = sorted(one for one in FOLDER.glob("*.yaml") if not one.stem.endswith(".test"))

by_name = pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)


def beside(recipe: Path) -> Path:
    return recipe.with_name(f"{recipe.stem}.test.yaml")


def test_there_are_enough_and_each_is_listed_with_its_link() -> None:
    assert len(RECIPES) >= 10
    listed = re.findall(
        r"^\| \[([a-z-]+)\]\(([a-z-]+\.yaml)\)", (FOLDER / "README.md").read_text(), re.M
    )
    assert sorted(listed) == [(one.stem, one.name) for one in RECIPES]


@by_name
def test_it_is_valid_without_a_warning_and_says_what_it_is_for(recipe: Path) -> None:
    config = load([recipe], environ={}, secrets=False)
    assert config.warnings == ()
    assert recipe.read_text().startswith("# ")


@by_name
def test_no_secret_stands_in_it(recipe: Path) -> None:
    config = load([recipe], environ={}, secrets=False)
    assert all(source.token.names for source in config.sources)
    assert "whsec_" not in recipe.read_text()


@by_name
def test_its_tests_pass(recipe: Path) -> None:
    result = CliRunner().invoke(app, ["test", str(beside(recipe))])
    assert result.exit_code == 0, result.stdout + result.stderr


@by_name
def test_its_tests_fail_when_any_rule_of_it_is_missing(recipe: Path) -> None:
    config = load([recipe], environ={}, secrets=False)

    async def all_hold(rules: tuple[Rule, ...]) -> bool:
        less = dataclasses.replace(config, rules=rules)
        plans = await plans_for(less)
        for test in read_rule_tests(beside(recipe)).tests:
            lines = compare(test, await run(test, less, plans))
            if any(line.mark != " " for line in lines):
                return False
        return True

    for rule in config.rules:
        others = tuple(one for one in config.rules if one is not rule)
        assert not anyio.run(all_hold, others), f"nothing tests the rule {rule.name!r}"


def test_the_example_on_the_page_about_rule_tests_passes(tmp_path: Path) -> None:
    (block,) = blocks("yml")
    (tmp_path / "x.test.yaml").write_text(block.text)
    (tmp_path / "x.yaml").write_text(
        "sources: {support: {provider: chatwoot, account_id: 3, token: '${TOKEN}'}}\n"
        "receivers: {team: {type: apprise, url: '${URL}'}}\n"
        "rules: [{name: waiting, when: conversation.waiting, for: 15m, notify: team}]\n"
    )
    result = CliRunner().invoke(app, ["test", str(tmp_path)])
    assert result.exit_code == 0, result.stdout + result.stderr


@pytest.mark.parametrize("model", [Suite, Case, Given, Step, Expected])
def test_every_key_of_a_rule_test_is_on_its_page(model: type[BaseModel]) -> None:
    page = read("rule-tests.md")
    keys = [name for name, info in model.model_fields.items() if info.init is not False]
    assert [name for name in keys if f"`{name}`" not in page] == []
