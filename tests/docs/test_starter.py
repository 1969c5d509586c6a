"""The starter configuration in rules/: valid as it is, and with every example in it in use."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from watcher.config.load import load
from watcher.config.model import Config

STARTER = ROOT / "rules" / "inbox-watcher.yaml"
MARK = re.compile(r"\s*# --- example: (.+)")


def titles() -> list[str]:
    """Return the examples' titles; blocks with the same title belong together."""
    lines = STARTER.read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(match[1] for line in lines if (match := MARK.match(line))))


def with_examples(*wanted: str) -> str:
    """Return the starter with the `# ` taken away from every line of these examples."""
    lines, inside = [], False
    for line in STARTER.read_text(encoding="utf-8").splitlines():
        if match := MARK.match(line):
            inside = match[1] in wanted
            lines.append(line)
            continue
        inside = inside and line.lstrip().startswith("# ")
        lines.append(re.sub(r"^(\s*)# ", r"\1", line) if inside else line)
    return "\n".join(lines)


def load_text(text: str, folder: Path) -> Config:
    path = folder / "starter.yaml"
    path.write_text(text, encoding="utf-8")
    return load([path], environ={}, secrets=False)


def test_it_is_what_run_finds_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert load(environ={}, secrets=False).files == (Path("rules/inbox-watcher.yaml"),)


def test_it_is_valid_without_a_warning_and_leaves_no_secret_in_the_file() -> None:
    config = load([ROOT / "rules"], environ={}, secrets=False)
    assert config.warnings == ()
    assert all(source.token.names for source in config.sources)


def test_it_needs_the_variables_that_its_head_names_and_no_others() -> None:
    head, _, rest = STARTER.read_text(encoding="utf-8").partition("\nstore:")
    plain = "\n".join(line for line in rest.splitlines() if not line.lstrip().startswith("#"))
    used = set(re.findall(r"\$\{(\w+)\}", plain))
    assert used == set(re.findall(r"[A-Z]+(?:_[A-Z]+)+", head))
    environ = {name: "json://localhost" if name.endswith("_URL") else "abc" for name in used}
    assert load([ROOT / "rules"], environ=environ).warnings == ()


def test_there_is_an_example_for_each_other_provider_and_for_both_dispositions() -> None:
    text = with_examples(*titles())
    for provider in ("highlevel", "leadway", "leadping", "chatwoot"):
        assert f"\n    provider: {provider}\n" in text
    for expression in ("opportunities[0].status", "custom_attributes.outcome"):
        assert f"\n      disposition: {expression}\n" in text


@pytest.mark.parametrize("title", titles())
def test_each_example_is_valid_in_its_place(title: str, tmp_path: Path) -> None:
    before = load_text(with_examples(), tmp_path)
    after = load_text(with_examples(title), tmp_path)
    assert after.warnings == ()
    assert after != before


def test_any_two_examples_and_all_together_are_valid(tmp_path: Path) -> None:
    for chosen in (*combinations(titles(), 2), titles()):
        assert load_text(with_examples(*chosen), tmp_path).warnings == ()


def test_the_rules_cover_what_a_team_asks_for_first() -> None:
    rules = load([ROOT / "rules"], environ={}, secrets=False).rules
    told = {kind for rule in rules if "team" in rule.notify for kind in rule.types}
    assert {"unread", "assigned", "reassigned", "archived", "disposition_changed"} <= {
        kind.partition(".")[2] for kind in told
    }
    own = {kind for rule in rules if rule.notify == ("operator",) for kind in rule.types}
    assert {"source.failing", "receiver.failing", "watcher.network_failing"} <= own
    assert [rule.hold_for.total_seconds() for rule in rules if rule.hold_for] == [900]
