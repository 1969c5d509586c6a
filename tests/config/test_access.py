"""`server.token`, `.tokens`, `.trusted_header` and `.reading`: what is right, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.compare import needs_restart
from watcher.config.load import inspect_files, load
from watcher.config.model import Server

TOKEN, OTHER = "0123456789abcdefghijklmn", "nmlkjihgfedcba9876543210"
TEXT = (
    "server: {server}\n"
    "sources: {{s: {{provider: leadping, organization: o, token: t}}}}\n"
    "receivers: {{crm: {{type: webhook, url: 'https://crm.example'}}}}\n"
    "rules: [{{name: R, when: conversation.message, notify: crm}}]\n"
)
OPEN = "listen: '0.0.0.0:8484'"
NOBODY = "1:18: `listen` can be reached from other machines, and nothing asks them who they are"
HEADER = "trusted_header: {name: X-Forwarded-Email, from: 10.0.0.5, operators: ['*@example.com']}"


def write(folder: Path, server: str) -> Path:
    file = folder / "watcher.yaml"
    file.write_text(TEXT.format(server="{" + server + "}"))
    file.chmod(0o600)
    return file


def wrong(folder: Path, server: str, *, secrets: bool = True) -> list[str]:
    found = inspect_files([write(folder, server)], environ={}, secrets=secrets)
    return [str(one) for one in found.problems]


def taken(folder: Path, server: str) -> Server:
    found = load([write(folder, server)], environ={"SECRET": TOKEN}).server
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (OPEN, NOBODY),
        ("listen: '[::]:8484'", "nothing asks them who they are"),
        ("listen: 'watcher.lan:8484'", "nothing asks them who they are"),
        (f"{OPEN}, insecure: true", NOBODY),
        (f"{OPEN}, tokens: []", NOBODY),
        ("token: short", "`token` is too short to keep anybody out: 24 bytes at least"),
        ("token: ''", "`token` is too short"),
        (f"token: '{TOKEN} x'", "`token` has white space or a character outside ASCII in it"),
        (f"tokens: [{{name: a, token: {TOKEN}}}, {{name: a, token: {OTHER}}}]",
         "`a` stands there twice"),
        (f"tokens: [{{name: a, token: {TOKEN}}}, {{name: b, token: {TOKEN}}}]",
         "is another one's, too"),
        (f"token: {TOKEN}, tokens: [{{name: a, token: {TOKEN}}}]", "is another one's, too"),
        ("tokens: [{name: a}]", "lacks `token`"),
        (f"tokens: [{{name: a, token: {TOKEN}, role: admin}}]", "allowed: viewer, operator"),
        (f"tokens: [{{name: a, token: {TOKEN}, sources: 'a b'}}]", "fits no source"),
        (f"tokens: [{{name: a, token: {TOKEN}, redact: [contact.fone]}}]", "did you mean `contact.phone`"),
        (f"tokens: [{{name: a, token: {TOKEN}, redact: [waiting_since]}}]",
         "cannot be hidden: lists are in its order"),
        ("trusted_header: {name: x-user, from: 10.0.0.5}", "lets nobody in"),
        ("trusted_header: {name: Cookie, from: 10.0.0.5, viewers: '*'}", "has another meaning"),
        ("trusted_header: {name: x-user, from: proxy, viewers: '*'}", "is no network of addresses"),
        ("trusted_header: {name: x-user, viewers: '*'}", "lacks `from`"),
        (f"{OPEN}, token: {TOKEN}, reading: open", "lets everybody read names and texts"),
        ("public_url: 'https://w.example.com', reading: open", "lets everybody read names and texts"),
        ("reading: closed", "allowed: signed-in, open"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_where_it_stands(server: str, said: str, tmp_path: Path) -> None:
    (problem,) = wrong(tmp_path, server)
    assert said in problem
    assert "watcher.yaml:1:" in problem
    assert "(" in problem  # what to do about it
    assert TOKEN not in problem


@pytest.mark.parametrize(
    "server",
    [
        f"{OPEN}, token: {TOKEN}",
        f"{OPEN}, tokens: [{{name: Ana, token: {TOKEN}}}]",
        f"{OPEN}, {HEADER}",
        "probes: '0.0.0.0:8485'",
        "reading: open, public_url: 'http://localhost:8484'",
        f"tokens: [{{name: acme, token: {TOKEN}, role: viewer, sources: 'acme-*', redact: contact.phone}}]"
        .replace("contact.phone", "[contact.phone, conversation.assignee]"),
    ],
)  # fmt: skip
def test_what_is_right_is_taken(server: str, tmp_path: Path) -> None:
    assert wrong(tmp_path, server) == []


def test_a_token_is_a_secret_as_all_are(tmp_path: Path) -> None:
    server = taken(tmp_path, "token: '${SECRET}', tokens: [{name: b, token: " + OTHER + "}]")
    assert server.token is not None
    assert server.token.read() == TOKEN
    assert TOKEN not in repr(server)
    assert OTHER not in repr(server)
    config = load([tmp_path / "watcher.yaml"], environ={"SECRET": TOKEN})
    assert config.redactor.scrub(f"x {TOKEN} {OTHER}") == "x *** ***"
    (unread,) = wrong(tmp_path, "token: '${SECRET}', " + OPEN)
    assert "SECRET" in unread  # which alone is missing
    assert wrong(tmp_path, "token: '${SECRET}', " + OPEN, secrets=False) == []


def test_who_may_is_in_force_at_once_and_where_it_listens_is_not(tmp_path: Path) -> None:
    before, same, other, moved = (
        load([write(tmp_path, one)], environ={})
        for one in (
            f"token: {TOKEN}",
            f"token: {TOKEN}",
            f"token: {OTHER}, reading: open, {HEADER}",
            f"token: {TOKEN}, listen: 'localhost:8484'",
        )
    )
    assert needs_restart(before, same) == ()
    assert needs_restart(before, other) == ()
    assert needs_restart(before, moved) == ("server",)
