"""The published schema of events: a branch for each type, and every event that goes out fits exactly one."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import httpx  # noqa: TID251 - a client over ASGI
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from typer.testing import CliRunner

from watcher.api import create_api
from watcher.api.asyncapi import asyncapi
from watcher.api.event_schema import DIGEST, event_schema
from watcher.catalogue.events import EVENTS
from watcher.cli import app as cli
from watcher.model import Event
from watcher.redaction import Visibility, redact
from watcher.vocabulary import SAMPLES

SCHEMA = event_schema()
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("path", ["/schema/event", "/asyncapi.json"])
async def test_both_documents_are_served_as_the_command_prints_them(path: str) -> None:
    app = create_api(None)  # type: ignore[arg-type] # neither asks the daemon
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        got = await client.get(path)
    what = {"/schema/event": "events", "/asyncapi.json": "asyncapi"}[path]
    printed = CliRunner().invoke(cli, ["schema", what])
    assert got.status_code == printed.exit_code + 200
    assert got.json() == json.loads(printed.stdout)


def test_what_goes_out_by_itself_is_all_in_the_asyncapi_document() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert {*document["channels"]["webhook"]["messages"]} == {*EVENTS, DIGEST}
    assert {*document["channels"]["stream"]["messages"]} == {*EVENTS}
    for found in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        place: Any = document
        for part in found.split("/"):
            place = place[part]


def test_the_schema_is_one_with_a_branch_for_each_type() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    branches = [one["$ref"].removeprefix("#/$defs/") for one in SCHEMA["oneOf"]]
    assert branches == [*EVENTS, DIGEST]
    for name in branches:
        assert SCHEMA["$defs"][name]["properties"]["type"] == {"const": name}


@pytest.mark.parametrize("type_", [one for one in EVENTS if one.startswith("conversation.")])
@pytest.mark.parametrize("sample", SAMPLES[:3], ids=lambda one: one.type)
def test_samples_fit_whatever_a_receiver_may_see(sample: Event, type_: str) -> None:
    event = dataclasses.replace(sample, type=type_)
    paths = ("contact.email", "last_message.text", "labels", "assignee")
    for what in (Visibility(), Visibility(thin=True), Visibility(redacted=paths)):
        VALIDATOR.validate(redact(event, what).to_plain())


@pytest.mark.parametrize(
    "change",
    [
        {"type": "conversation.unheard_of"},
        {"specversion": "0.3"},
        {"time": 5},
        {"data": {"source": "sales"}},
        {"data": {"source": "sales", "conversation": {"id": 7}}},
        {"subject": None},
    ],
    ids=str,
)
def test_what_is_no_event_does_not_fit(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**SAMPLES[0].to_plain(), **change})
