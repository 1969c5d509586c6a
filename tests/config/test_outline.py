"""The outline of a configuration says what the whole says, of the same files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from watcher.config.discovery import installed_providers, installed_receivers
from watcher.config.load import inspect_files
from watcher.config.model import Source
from watcher.config.outline import OPEN, Outline, read_outline
from watcher.config.validate import holds_secret
from watcher.secrets import is_secret

ENVIRON = {
    "TOKEN": "pit-token-from-outside",
    "STATE": "state-of-the-watcher",
    "HOST": "chat.example.com",
    "SIGNING": "whsec_c2lnbmluZyBrZXkgb2YgdGhlc2UgdGVzdHM=",
}

WHOLE = """
store: ${STATE}/watcher.db
timezone: Europe/Berlin
server: {listen: 127.0.0.1:8499}
sources:
  sales:
    provider: highlevel
    location_id: ve9EPM428h8vShlRW1KT
    token: ${TOKEN}
    people: {apikeyauth1: Ana Tokenova}
    proxy: http://proxyuser:proxypassword@127.0.0.1:3128
  support:
    provider: chatwoot
    base_url: https://${HOST}
    account_id: 3
    token: ${file:tokens/support}
    fields: {disposition: custom_attributes.outcome}
  plain: {provider: leadping, organization: org_in_the_clear, token: token-in-the-clear}
sources_from:
  file: accounts.csv
  provider: highlevel
  name: "loc-{id}"
  location_id: "{id}"
  token: "${file:tokens/{id}}"
receivers:
  crm:
    type: webhook
    url: https://hookuser:hookpassword@crm.example.com/hooks/inbox
    secret: ${SIGNING}
    headers: {X-Team: the-sales-team, Authorization: Bearer header-in-the-clear}
  team: {type: apprise, urls: ['json://one:jsonpassword@127.0.0.1/a-long-path', 'json://127.0.0.1/another']}
conditions: {urgent: "conversation.priority == 'urgent-token'"}
templates: {short: {title: "token in a template", body: "{{ type }}"}}
rules:
  - {name: Everything, when: 'conversation.*', notify: [crm, team]}
  - {name: Trouble, when: source.failing, notify: crm}
silences: [{name: at night, match: "true", reason: quiet, hours: {between: "22:00-06:00"}}]
"""

TEXTS = (
    *ENVIRON.values(), "token-of-support", "token-of-a1", "Ana Tokenova", "apikeyauth1",
    "ve9EPM428h8vShlRW1KT",
    "proxypassword", "http://proxyuser:proxypassword@127.0.0.1:3128", "https://chat.example.com/app/accounts/3",
    "custom_attributes.outcome", "token-in-the-clear", "org_in_the_clear", "hookpassword",
    "https://hookuser:hookpassword@crm.example.com/hooks/inbox", "the-sales-team", "header-in-the-clear",
    "Bearer header-in-the-clear", "jsonpassword", "json://127.0.0.1/another", "urgent-token",
    "token in a template", "127.0.0.1:8499", "state-of-the-watcher/watcher.db", "accounts.csv",
)  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The files of a configuration that has everything in it."""
    folder = tmp_path / "rules"
    (folder / "tokens").mkdir(parents=True)
    (folder / "tokens" / "support").write_text("token-of-support\n")
    (folder / "tokens" / "a1").write_text("token-of-a1\n")
    (folder / "accounts.csv").write_text("id\na1\n")
    (folder / "watcher.yaml").write_text(WHOLE)
    return folder


def both(path: Path, environ: dict[str, str]) -> tuple[Outline, Outline]:
    """Return the outline, and that of the whole."""
    found = read_outline([path], environ=environ)
    assert found is not None
    inspection = inspect_files([path], environ=environ, secrets=False, learns=True)
    assert not inspection.problems
    return found, Outline.of(inspection.config)


@pytest.mark.parametrize("environ", [ENVIRON, {"STATE": "elsewhere"}], ids=["all", "few"])
def test_it_says_what_the_whole_says(written: Path, environ: dict[str, str]) -> None:
    found, whole = both(written, environ)
    assert found == whole
    assert found.sources["loc-a1"] == "highlevel"
    assert len(found.sources) == 4


@pytest.mark.parametrize("environ", [ENVIRON, {"STATE": "elsewhere"}], ids=["all", "few"])
def test_it_knows_the_same_secrets(written: Path, environ: dict[str, str]) -> None:
    found, whole = both(written, environ)
    for text in TEXTS:
        said = f"they said {text} to us"
        for way in ("scrub", "scrub_sentence", "scrub_result"):
            assert getattr(found.redactor, way)(said) == getattr(whole.redactor, way)(said), text
    struck = found.redactor.scrub_result(list(TEXTS))
    assert ("token-of-a1" in struck, "Ana Tokenova" in struck) == (False, True)


@pytest.mark.parametrize(
    "odd",
    [
        "store: ${MISSING}/watcher.db",
        "store: [a, list]",
        "store: ''",
        "store: postgresql://somewhere",
        "timezone: Europe/Nowhere",
        "timezone: 1",
        "stroe: watcher.db",
        "rules: not-a-list",
        "a: b: c",
    ],
)
def test_where_something_is_not_right_the_whole_has_the_words(tmp_path: Path, odd: str) -> None:
    file = tmp_path / "watcher.yaml"
    file.write_text(f"{odd}\n")
    assert read_outline([file], environ={}) is None
    assert read_outline([tmp_path / "missing"], environ={}) is None
    assert inspect_files([file], environ={}, secrets=False).problems


def shipped() -> dict[str, type[BaseModel]]:
    """Return the settings of all sources and receivers."""
    providers = {name: one().settings_model for name, one in installed_providers().items()}
    receivers = {name: one() for name, one in installed_receivers().items()}
    return {"every source": Source, **providers, **receivers}


def keys(model: type[BaseModel]) -> dict[str, Any]:
    """Return the type of each setting by its key."""
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def test_a_secret_is_known_by_the_name_of_its_setting() -> None:
    """The other way about too: what the outline takes for a secret, and is none, is a path that shows
    nothing of an inbox.
    """
    named = {key for one in shipped().values() for key in keys(one) if is_secret(key)}
    models = [keys(one) for one in shipped().values()]
    secret = {key for one in models for key, kind in one.items() if holds_secret(kind)}
    assert secret <= named
    assert named - secret <= {"client_key", "token"}


def test_the_keys_below_a_setting_are_settings_or_it_is_open() -> None:
    tables = {
        key
        for one in shipped().values()
        for key, kind in keys(one).items()
        if is_table(kind) or key == "fields"
    }
    assert tables == OPEN | {"headers"}


def is_table(kind: Any) -> bool:
    """Return whether a setting is a mapping whose keys are not those of a model."""
    return get_origin(kind) in (Mapping, dict) or any(map(is_table, get_args(kind)))
