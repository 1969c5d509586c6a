"""The pages for plug-in authors: examples, commands and tables are what the program does."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx  # noqa: TID251 - the fakes are asked as the transport asks them
import pytest

from tests.config.test_discovery import install
from tests.docs.examples import buzz, python
from tests.docs.pages import ROOT, blocks, code, read, rows
from tests.fuzz.subjects import SUBJECTS
from tests.testing import test_our_providers as suites
from watcher.errors import SourceError
from watcher.merge import merge
from watcher.model import Conversation
from watcher.providers import LookUp, Page, Provider, Response, Sweep
from watcher.providers.chatwoot import Chatwoot
from watcher.providers.leadconnector import HighLevel
from watcher.providers.leadping import Leadping
from watcher.simulator import Account, Impossible, World, chatwoot, leadconnector, leadping
from watcher.simulator.__main__ import read_arguments
from watcher.testing import ProviderSuite, ReceiverSuite

PAGE = "writing-a-provider.md"
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
OURS: dict[str, tuple[type[Provider], Any, str]] = {
    "HighLevel, Leadway": (HighLevel, leadconnector.app, "highlevel"),
    "Leadping": (Leadping, leadping.app, "leadping"),
    "Chatwoot": (Chatwoot, chatwoot.app, "chatwoot"),
}


def laws(suite: type[object]) -> list[str]:
    return [name for name in vars(suite) if name.startswith("test_")]


# The pages' tables


def test_the_table_of_laws_has_each_law_in_order() -> None:
    table = read(PAGE).partition("| law |")[2].partition("\n\n")[0]
    assert [code(row[0])[0] for row in rows(table)[1:]] == laws(ProviderSuite)


def test_the_table_of_members_has_each_optional_one() -> None:
    table = read(PAGE).partition("| member |")[2].partition("\n\n")[0]
    told = {re.sub(r"\(.*", "", code(row[0])[0]) for row in rows(table)[1:]}
    members = {name for name in vars(Provider) if not name.startswith("_")}
    assert told == members - set(Provider.__abstractmethods__) - {"settings_model"}
    said = read(PAGE).partition("The compulsory\nmembers are")[2].partition(".")[0]
    assert set(code(said)) == {*Provider.__abstractmethods__, "settings_model"}


# How good a provider is


async def ask(app: Any, account: Account, provider: Provider, position: Any) -> Page | SourceError:
    request = provider.request(position)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://simulated"
    ) as client:
        answer = await client.request(
            request.method,
            request.path,
            params=request.params,
            json=request.json,
            headers={**dict(request.headers), **provider.authorization(account.token)},
        )
    try:
        return provider.parse(position, Response(answer.status_code, answer.content, {}, NOW, NOW))
    except SourceError as error:
        return error


async def verdict(name: str, change: str) -> str | None:
    """Return what a look-up proves about a conversation that was changed in the simulated world."""
    kind, app_of, service = OURS[name]
    world = World(lambda: NOW, seed=1)
    account = world.open_account(service, "3", conversations=4)  # type: ignore[arg-type]
    settings = {
        "HighLevel, Leadway": {"location_id": "3"},
        "Leadping": {},
        "Chatwoot": {"account_id": 3},
    }
    provider = kind(kind.settings_model(token="t", base_url="http://simulated", **settings[name]))
    app = app_of(world)
    page = await ask(app, account, provider, provider.start(Sweep()))
    assert isinstance(page, Page)
    known: Conversation = merge(None, page.rows[0]).conversation
    try:
        getattr(world, change)(account.conversations[known.id])
    except Impossible:
        return None
    position = provider.start(LookUp(known, "absent"))
    while position is not None:
        found = await ask(app, account, provider, position)
        assert isinstance(found, Page)
        position = found.next
    return found.verdict


async def measured(name: str) -> dict[str, bool]:
    """Answer the page's questions."""
    kind, _app, service = OURS[name]
    cases = [each for each in vars(suites).values() if inspect.isclass(each)]
    provided = [type(each().provider()) for each in cases if each.__module__ == suites.__name__]
    folder = {"highlevel": "leadconnector"}.get(service, service)
    page = read("configuration.md")
    return {
        "obeys the conformance suite": kind in provided,
        "reads recorded answers of the service": any(
            (Path(__file__).parents[1] / "providers" / folder).glob("*.json")
        ),
        "is fuzzed": service in SUBJECTS,
        "has a fake in `watcher.simulator`": read_arguments([service]).service == service,
        "names the service's own limit": "budget" in vars(kind),
        "says what a walk costs": "cost" in vars(kind),
        "gets past a page that always fails": "skip" in vars(kind),
        "proves that a conversation was deleted": await verdict(name, "delete") == "deleted",
        "tells lost access from deletion": await verdict(name, "revoke_access") == "access_lost",
        "has every setting in [Configuration](configuration.md)": all(
            re.search(rf"\b{setting}\b", page) for setting in kind.settings_model.model_fields
        ),
    }


@pytest.mark.parametrize("name", OURS)
async def test_the_quality_of_our_providers_is_as_the_page_says(name: str) -> None:
    table = rows(read(PAGE).partition("## How good is it?")[2])
    column = table[0].index(name)
    told = {row[0]: row[column] == "yes" for row in table[2:]}
    assert told == await measured(name)
    assert len(told) == 10


# A service to try it on


@contextmanager
def simulated(page: str = PAGE) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the fake as a page does, at any free port."""
    (line,) = (
        line
        for block in blocks("sh")
        if block.page.name == page
        for line in block.text.splitlines()
        if line.startswith("python -m watcher.simulator")
    )
    words = shlex.split(line.replace("--port 8901", "--port 0"))[1:]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = "".join(process.stdout.readline() for _ in range(6))
        try:
            yield process, shown
        finally:
            process.terminate()


def test_the_commands_on_the_page_steer_the_fake() -> None:
    with simulated() as (_process, shown):
        assert "provider: chatwoot" in shown
        answers = steer(PAGE, shown)
    assert len(answers) == 16
    assert answers[0]["conversations"] == 40
    types = [entry["type"].removeprefix("conversation.") for entry in answers[-1]]
    assert {"message", "archived"} <= set(types)


def test_the_commands_about_rules_steer_it_too() -> None:
    page = "rule-tests.md"
    with simulated(page) as (_process, shown):
        told = [
            [(one["conversation"], one["type"]) for one in each["truth"]]
            for each in steer(page, shown)
        ]
    assert ("41", "conversation.waiting") in told[0]
    assert ("41", "conversation.answered") in told[1]


def steer(page: str, shown: str) -> list[Any]:
    """Send the commands of a page to the fake that printed what is `shown`; return its answers."""
    found = re.search(r"http://127\.0\.0\.1:(\d+)/_simulator", shown)
    assert found is not None
    lines = [
        line
        for block in blocks("sh")
        if block.page.name == page
        for line in block.text.splitlines()
    ]
    commands = [line for line in lines if line.startswith("curl") and "/_simulator/" in line]
    answers = []
    for line in commands:
        words = shlex.split(line.replace(":8901", f":{found[1]}"))[1:]
        url = next(word for word in words if word.startswith("http"))
        body = words[words.index("-d") + 1].encode() if "-d" in words else None
        method = words[words.index("-X") + 1] if "-X" in words else None
        request = urllib.request.Request(url, body, method=method)  # noqa: S310 - our own page
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            answers.append(json.load(answer))
    return answers


def test_the_options_on_the_page_exist() -> None:
    page = read(PAGE).partition("## A service to try it on")[2]
    told = [each for each in code(page) if each.startswith("--")]
    for each in told:
        if each != "--help":
            read_arguments(["chatwoot", *each.split()])
    assert any("--events-every" in each for each in told)


# Receivers


@pytest.mark.parametrize("law", laws(ReceiverSuite))
def test_the_receiver_on_the_page_obeys(law: str) -> None:
    _, tests = buzz()
    getattr(tests.TestBuzz(), law)()


# As an author has it


@pytest.mark.parametrize(
    ("page", "name", "plugin", "tests", "suite"),
    [
        (PAGE, "acme_inbox", "class Acme(Provider):", "class TestAcme(", ProviderSuite),
        (
            "writing-a-receiver.md",
            "acme_buzz",
            "class BuzzReceiver(",
            "class TestBuzz(",
            ReceiverSuite,
        ),
    ],
    ids=["provider", "receiver"],
)
def test_pytest_finds_the_laws_in_a_project_of_its_own(
    page: str, name: str, plugin: str, tests: str, suite: type[object], tmp_path: Path
) -> None:
    (tmp_path / f"{name}.py").write_text(python(page, plugin).text)
    (tmp_path / "test_it.py").write_text(python(page, tests).text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "-p", "no:anyio", "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert f"{len(laws(suite))} passed" in done.stdout


LOAD = """
import sys
from pathlib import Path
from watcher.config.json_schema import json_schema
from watcher.config.load import load
from watcher.errors import ConfigError
try:
    config = load([Path(sys.argv[1])], environ={"ROOM": "room-token"})
    print(type(config.receivers[0]).__name__, config.receivers[0].timeout, config.sources[0].settings.desk)
except ConfigError as error:
    print(error)
print([name for name in json_schema()["$defs"] if "buzz" in name or "acme" in name])
"""
CONFIG = """
sources: {front: {provider: acme, desk: "7", token: not-a-real-token}}
receivers:
  team: {type: buzz, url: "http://127.0.0.1/room", token: "${ROOM}", timeout: %s}
rules: [{name: A, when: "*", notify: team}]
"""


@pytest.mark.parametrize(
    ("timeout", "said"),
    [("3s", "BuzzReceiver 0:00:03 7"), ("fast", "4:79: `timeout` is not a duration")],
)
def test_the_plugins_on_the_pages_are_used_by_their_names(
    timeout: str, said: str, tmp_path: Path
) -> None:
    points = "acme = acme_inbox:Acme\n[watcher.receivers]\nbuzz = acme_buzz:BuzzReceiver"
    install(tmp_path, "acme", points, "acme_inbox", python(PAGE, "class Acme(Provider):").text)
    buzzer = python("writing-a-receiver.md", "class BuzzReceiver(").text
    (tmp_path / "acme_buzz.py").write_text(buzzer)
    (tmp_path / "watcher.yaml").write_text(CONFIG % timeout)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path / "watcher.yaml")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )
    assert said in done.stdout, done.stdout + done.stderr
    assert "acme" in done.stdout.splitlines()[-1]
    assert "buzz" in done.stdout.splitlines()[-1]
