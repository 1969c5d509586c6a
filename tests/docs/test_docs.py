"""What the documentation says exists, and what exists is in the documentation."""

from __future__ import annotations

import json
import pkgutil
import re
import shlex
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from jsonschema import Draft202012Validator

import watcher
from tests.docs.pages import (
    PAGES,
    ROOT,
    Block,
    anchors,
    blocks,
    code,
    first_cells,
    links,
    read,
    rows,
)
from tests.support.plain_yaml import plain_yaml
from watcher import __version__
from watcher.catalogue.events import EVENT_TYPES, TIMED_TYPES
from watcher.catalogue.fields import FIELDS
from watcher.cli import app
from watcher.conditions import compile_condition
from watcher.config.discovery import installed_providers, installed_receivers
from watcher.config.json_schema import json_schema
from watcher.config.load import load
from watcher.config.model import General, Hold, Retention, Server, Source
from watcher.mapping import TARGETS
from watcher.rules import (
    Digest,
    Message,
    Rule,
    RuleHours,
    Silence,
    Template,
    Throttle,
    Window,
)
from watcher.settings.heartbeat import Heartbeat
from watcher.settings.network import NetworkSettings
from watcher.templates.compiled import compile_template

FORMS = (
    General, Server, Retention, Heartbeat, NetworkSettings, Source, Hold, Rule,
    Message, Throttle, Digest, RuleHours, Window, Silence, Template,
    *(load() for load in installed_receivers().values()),
    *(load().settings_model for load in installed_providers().values()),
)  # fmt: skip

SOURCE = "sources: {sales: {provider: leadping, token: not-a-real-token}}"
RECEIVER = "{type: apprise, url: 'json://localhost'}"


def commands() -> dict[str, Any]:
    """Return all commands of the program by what is typed for them."""
    root: Any = typer.main.get_command(app)
    found: dict[str, Any] = {}
    context = root.make_context("inbox-watcher", [], resilient_parsing=True)
    for name in root.list_commands(context):
        command = found[name] = root.get_command(context, name)
        for inner, subcommand in getattr(command, "commands", {}).items():
            found[f"{name} {inner}"] = subcommand
    return found


def options(command: Any) -> set[str]:
    return {option for each in command.params for option in (*each.opts, *each.secondary_opts)}


# Configurations

SCHEMA = Draft202012Validator(json_schema())


def completed(text: str) -> str:
    """Return what a fragment lacks to be a whole configuration: a source, the receivers it names."""
    shown = yaml.safe_load(text)
    parts = [] if shown.get("sources") else [SOURCE]
    there = shown.get("receivers") or {}
    named: dict[str, None] = {}
    for rule in shown.get("rules") or ():
        notify = rule["notify"]
        named |= dict.fromkeys([notify] if isinstance(notify, str) else notify)
        otherwise = (rule.get("hours") or {}).get("otherwise", "hold")
        named |= dict.fromkeys({otherwise} - {"hold", "drop"})
    lacking = [name for name in named if name not in there]
    if lacking:
        parts.append("receivers: {" + ", ".join(f"{name}: {RECEIVER}" for name in lacking) + "}")
    return "\n".join(parts)


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.name)
def test_every_configuration_shown_loads(block: Block, tmp_path: Path) -> None:
    shown, rest = tmp_path / "shown.yaml", tmp_path / "rest.yaml"
    shown.write_text(block.text, encoding="utf-8")
    rest.write_text(completed(block.text), encoding="utf-8")
    (tmp_path / "accounts.csv").write_text("id\nve9EPM428h8vShlRW1KT\n", encoding="utf-8")
    load([shown, rest], environ={}, secrets=False)
    assert not list(SCHEMA.iter_errors(plain_yaml(block.text)))


def test_the_readme_shows_a_whole_configuration_for_each_of_the_four_systems() -> None:
    shown = [yaml.safe_load(each.text) for each in blocks("yaml") if each.page.name == "README.md"]
    providers = [
        source["provider"] for each in shown for source in (each.get("sources") or {}).values()
    ]
    assert providers == ["highlevel", "leadway", "leadping", "chatwoot"]


SETTINGS = read("configuration.md") + read("rules.md")


def keys(form: Any) -> set[str]:
    return set(form.model_json_schema()["properties"])


TOP = set(json_schema()["properties"])


def test_every_top_level_key_is_documented() -> None:
    page = read("configuration.md").partition("## Top level")[2].partition("### ")[0]
    assert set(first_cells(page)) == TOP


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_key_of_the_configuration_is_documented(form: Any) -> None:
    documented = {name for row in rows(SETTINGS) for name in code(" ".join(row))}
    assert keys(form) <= documented


def test_no_key_is_documented_that_does_not_exist() -> None:
    page = SETTINGS.partition("## Top level")[2]
    known = set().union(*map(keys, FORMS)) | TOP
    documented = {name for row in rows(page) for name in code(" ".join(row[:2]))}
    keys_alone = {name for name in documented if re.fullmatch(r"[a-z_]+", name)}
    values = {
        "webhook",
        "apprise",
        "strict",
        "all",
        "environment",
        "direct",
        "true",
        "false",
        "full",
        "text",
        "ready",
    }
    assert keys_alone - known == values & keys_alone


def defaults() -> list[tuple[str, str]]:
    found = []
    for form in FORMS:
        for name, about in form.model_json_schema()["properties"].items():
            default = about.get("default")
            if isinstance(default, list) and default:
                found.append((name, ", ".join(map(str, default))))
            elif default not in (None, "", [], {}, "0s") and not isinstance(default, dict):
                shown = json.dumps(default) if isinstance(default, bool) else str(default)
                found.append((name, shown))
    return found


@pytest.mark.parametrize(("key", "default"), defaults())
def test_every_default_is_documented_beside_its_key(key: str, default: str) -> None:
    told = [row for row in rows(SETTINGS) if f"`{key}`" in " ".join(row[:2])]
    assert any(default in cell.replace("`", "") for row in told for cell in row), (key, default)


DIGESTS = [
    [code(row[0])[0], row[1], row[2]]
    for row in rows(read("rules.md"))
    if re.match(r"2026-", row[-1])
]


@pytest.mark.parametrize(("digest", "event", "due"), DIGESTS)
def test_every_digest_shown_goes_out_when_it_says(
    digest: str, event: str, due: str, tmp_path: Path
) -> None:
    path = tmp_path / "digest.yaml"
    rule = f"{{name: One, when: '*', notify: team, digest: {digest}}}"
    path.write_text(
        f"timezone: Europe/Berlin\n{SOURCE}\nreceivers: {{team: {RECEIVER}}}\nrules: [{rule}]"
    )
    (loaded,) = load([path], environ={}, secrets=False).rules
    assert loaded.digest is not None
    zone = loaded.digest.timezone
    at = datetime.fromisoformat(event).replace(tzinfo=zone)
    assert loaded.digest.boundary(at) == datetime.fromisoformat(due).replace(tzinfo=zone)


def test_some_digests_are_shown() -> None:
    assert len(DIGESTS) >= 5


# Expressions


@pytest.mark.parametrize(
    "expression", [line for block in blocks("cel") for line in block.text.splitlines() if line]
)
def test_every_condition_shown_compiles(expression: str) -> None:
    compile_condition(expression)


def test_fourteen_conditions_are_shown() -> None:
    assert sum(len(block.text.splitlines()) for block in blocks("cel")) == 14


@pytest.mark.parametrize(
    "template", [text for block in blocks("jinja") for text in block.text.split("\n\n")]
)
def test_every_template_shown_compiles(template: str) -> None:
    compile_template(template)


# Events and metrics


def test_the_table_of_events_has_every_type_once_in_order() -> None:
    page = read("events.md").partition("## Types")[2].partition("**Baseline.**")[0]
    assert first_cells(page) == list(EVENT_TYPES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_event_type_named_anywhere_exists(page: Path) -> None:
    named = {
        name
        for name in code(page.read_text(encoding="utf-8"))
        if re.fullmatch(r"(conversation|source|receiver|watcher)\.[a-z_]+", name)
    }
    modules = {f"watcher.{one.name}" for one in pkgutil.iter_modules(watcher.__path__)}
    others = {"conversation.url", "watcher.digest", "watcher.receivers"}  # the last: entry points
    assert named - others - modules <= set(EVENT_TYPES)


def test_the_event_shown_has_every_field_of_a_conversation() -> None:
    pages = [block.text for block in blocks("json") if block.page.name == "events.md"]
    (shown,) = (text for text in pages if "specversion" in text)
    assert list(json.loads(shown)["data"]["conversation"]) == list(FIELDS)


def test_the_fields_that_can_be_mapped_are_all_listed() -> None:
    page = read("configuration.md").partition("Fields that can be mapped:")[2]
    assert set(code(page.partition("\n\n")[0])) == set(TARGETS)


def test_the_fields_whose_change_makes_no_event_are_all_named() -> None:
    page = read("events.md").partition("No event:")[2].partition("\n\n")[0]
    silent = {name for name, field in FIELDS.items() if not field.tracked}
    assert {name for name in code(page) if name in FIELDS} == silent - {"id"}


def test_what_for_applies_to_is_told() -> None:
    page = read("rules.md")
    told = page.partition("**for.**")[2].partition("What it sends")[0]
    named = {
        f"conversation{name}" if name.startswith(".") else name
        for name in code(told)
        if re.fullmatch(r"(conversation|source)?\.[a-z_]+|source\.failing", name)
    }
    assert named == set(TIMED_TYPES)


# The command line


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented_with_its_options(name: str) -> None:
    command, page = commands()[name], read("operations.md")
    assert f"`inbox-watcher {name}`" in page
    told = set(re.findall(r"--[a-z-]+", page))
    assert {option for option in options(command) if option.startswith("--")} <= told | {"--help"}


def typed() -> list[str]:
    """Return every command line of the program that the pages show, in blocks and in sentences."""
    lines = [line for block in blocks("sh") for line in block.text.splitlines()]
    said = []
    for page in PAGES:
        text = re.sub(r"`inbox-watcher \w+` is not included yet", "", page.read_text("utf-8"))
        said += code(text)
    found = [re.search(r"^(?:.*[\s/])?inbox-watcher ([a-z].*)", each) for each in (*lines, *said)]
    return sorted({match[1] for match in found if match})


@pytest.mark.parametrize("line", typed())
def test_every_command_line_shown_exists(line: str) -> None:
    words = shlex.split(line)
    known = commands()
    name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
    assert name in known
    used = {word for word in words if word.startswith("-")}
    unsaid = known.get(f"{name} list")  # the verb that need not be said
    assert used <= options(known[name]) | (options(unsaid) if unsaid else set())


def test_the_readme_sets_up_with_python3_alone() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    begin = "python3 -m venv .venv && .venv/bin/pip install -q"
    assert f"{begin} . && .venv/bin/inbox-watcher demo\n" in readme
    assert f"{begin} '.[test]' && .venv/bin/pytest\n" in readme
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "test" in project["optional-dependencies"]
    assert "inbox-watcher" in project["scripts"]


def test_the_changelog_tells_of_this_version() -> None:
    assert f"## [{__version__}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_project_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target.name}#{anchor}"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {target for target, _ in links(ROOT / "README.md")}
    assert set(PAGES) - {ROOT / "README.md"} <= linked
