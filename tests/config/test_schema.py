"""The JSON Schema for editors: what it lets pass and what it does not."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.config.small_providers import PROVIDERS
from tests.support.plain_yaml import plain_yaml
from watcher.config.json_schema import json_schema

CONTRACT = """
store: /var/lib/inbox-watcher/watcher.db
server: {listen: 127.0.0.1:8484}
retention: {events: 30d, deliveries: 30d}
sources:
  sales:
    provider: highlevel
    location_id: ve9EPM428h8vShlRW1KT
    token: ${HIGHLEVEL_TOKEN}
    poll_every: 30s
    sweep_every: 15m
  support:
    provider: chatwoot
    base_url: https://chat.example.com
    account_id: 3
    token: ${file:/run/secrets/chatwoot_token}
  leads:
    provider: leadping
    token: ${LEADPING_TOKEN}
receivers:
  crm:
    type: webhook
    url: https://crm.example.com/hooks/inbox
    secret: ${CRM_WEBHOOK_SECRET}
    headers: {X-Team: sales}
    timeout: 10s
  team:
    type: apprise
    url: ${SLACK_URL}
rules:
  - name: Unread reaches the team
    when: conversation.unread
    where: conversation.channel == "sms" && conversation.assignee == null
    notify: [team, crm]
    message:
      title: "New message from {{ conversation.contact.name or 'unknown' }}"
      body: "{{ conversation.last_message.text }}\\n{{ conversation.url }}"
  - name: Nobody has looked for fifteen minutes
    when: conversation.*
    for: 15m
    notify: [manager]
"""


ROOT = Path(__file__).parent.parent.parent
POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
OWN = {
    name: EntryPoint(name, value, "watcher.providers").load
    for name, value in POINTS["watcher.providers"].items()
}


def judge(text: str, providers: Any = OWN) -> list[str]:
    schema = json_schema(providers)
    Draft202012Validator.check_schema(schema)
    tree = plain_yaml(text)
    return [error.message for error in Draft202012Validator(schema).iter_errors(tree)]


def test_the_contracts_example_is_valid() -> None:
    assert judge(CONTRACT) == []


def test_people_are_texts_by_id() -> None:
    people = "poll_every: 30s\n    people: {u1: Ana}"
    assert judge(CONTRACT.replace("poll_every: 30s", people)) == []
    for wrong in ("[Ana]", "{u1: [Ana]}", "Ana"):
        assert judge(CONTRACT.replace("poll_every: 30s", people.replace("{u1: Ana}", wrong)))


@pytest.mark.parametrize("name", ["store", "retention", "sources", "receivers", "rules"])
def test_a_misspelt_section_is_not(name: str) -> None:
    assert judge(CONTRACT.replace(f"\n{name}:", f"\n{name}x:"))


RULES = """
timezone: Europe/Berlin
conditions: {vip: '"vip" in conversation.labels'}
templates: {short: {title: "{{ type }}"}}
silences:
  - {name: a, match: "true", reason: b, from: 2026-12-24, hours: {between: "02:00-03:00"}}
rules:
  - name: One
    when: conversation.unread
    unless: conditions.vip
    for: 15m
    repeat: 30m
    at_most: 3
    throttle: {within: 10m, by: source}
    hours: {days: mon-fri, between: ["09:00-12:00", "13:00-18:00"], otherwise: drop}
    stop: true
    severity: critical
    notify: team
    message: {template: short, per_receiver: {team: short}}
  - name: Two
    when: conversation.*
    digest: {at: "09:00", days: [mon, thu-fri], timezone: UTC}
    hours: {windows: [{between: "09:00-18:00"}]}
    throttle: 10m
    message: short
    notify: team
"""


def test_rules_are_known_with_all_their_keys() -> None:
    assert judge(RULES) == []
    assert judge(RULES.replace("digest: {", "digest: 15m # {")) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("unless:", "unles:"), ("repeat: 30m", "repeat: often"), ("at_most: 3", "at_most: 0"),
        ("within: 10m", "within: 10"), ("by: source", "buy: source"), ("mon-fri", "[]"),
        ("13:00-18:00", "13-18"), ("otherwise:", "else:"), ("stop: true", "stop: perhaps"),
        ("per_receiver:", "per_reciever:"), ('at: "09:00"', "at: 9"), ("days: [mon", "day: [mon"),
        ("windows:", "window:"), ("reason: b, ", ""), ("vip:", "VIP:"),
        ("templates: {short: {", "templates: {short: x} # {"),
        ("title:", "titel:"), ('{title: "{{ type }}"}', "{title: }"), ("for: 15m", "for:"),
        ("throttle: 10m", "throttle: soon"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_rule_is_seen_while_typing(right: str, wrong: str) -> None:
    assert right in RULES
    assert judge(RULES.replace(right, wrong))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("poll_every:", "poll_evry:"), ("location_id:", "locationid:"), ("account_id: 3", "account_id: x"),
        ("provider: leadping", "provider: leadpin"), ("poll_every: 30s", "poll_every: 30"),
        ("sweep_every: 15m", "sweep_every: 15 min"), ("type: webhook", "type: webhok"),
        ("secret:", "secrt:"), ("notify: [manager]", "notify: []"), ("for: 15m", "for: soon"),
        ("when: conversation.unread", "when: conversation.unred"), ("title:", "titel:"),
        ("listen: 127.0.0.1:8484", "listen: 8484"), ("  sales:\n", "  Sales:\n"),
        ("  team:\n    type: apprise\n    url:", "  team:\n    type: apprise\n    uri:"),
        ("https://chat.example.com", "chat.example.com"), ("30d, deliveries", "30 days, deliveries"),
    ],
)  # fmt: skip
def test_a_mistake_is_seen_while_typing(right: str, wrong: str) -> None:
    assert right in CONTRACT
    assert judge(CONTRACT.replace(right, wrong))


def test_a_reference_may_stand_where_a_number_or_a_duration_stands() -> None:
    text = CONTRACT.replace("account_id: 3", "account_id: ${ACCOUNT}")
    assert judge(text.replace("poll_every: 30s", "poll_every: ${POLL:-30s}")) == []


def test_false_turns_the_server_off_and_true_does_nothing() -> None:
    assert judge("server: false") == []
    assert judge("server: true")


def test_each_provider_has_its_own_settings() -> None:
    source = "sources: {a: {provider: %s, token: x, base_url: 'https://x', account_id: 1}}"
    assert judge(source % "desk", PROVIDERS) == []
    assert judge(source % "plain", PROVIDERS)
    assert judge(source % "broken", PROVIDERS) == []


def test_settings_say_what_they_are_for() -> None:
    schema = json_schema(PROVIDERS)
    definition = schema["$defs"]["receiver.webhook"]["properties"]
    assert definition["retry"]["default"][0] == "5s"
    assert all("description" in value for name, value in definition.items() if name != "type")


BROKEN = Path(__file__).parent / "broken"


@pytest.mark.parametrize(
    "name",
    ["01-unknown-top-level-key", "13-durations", "17-receivers", "25-server-and-hold", "30-when-rules-tell",
     "33-named-templates", "34-silences"],
)  # fmt: skip
def test_what_the_watcher_refuses_the_editor_marks(name: str) -> None:
    assert judge((BROKEN / f"{name}.yaml").read_text(), PROVIDERS)
