"""`server.public_url` and `server.links`: what is right, what is wrong, and what `check` says of messages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from watcher.config.load import inspect_files
from watcher.daemon.link_keys import configured_keys, links_with

KEY = "0123456789abcdefghijklmnopqrstuvwxyz"
TEXT = (
    "sources: {{s: {{provider: leadping, organization: o, token: t}}}}\n"
    "receivers: {{crm: {{type: webhook, url: 'https://crm.example'}}}}\n"
    "server: {server}\n"
    "rules:\n- name: R\n  when: [conversation.message, source.failing]\n  notify: crm\n"
    "  message: {{body: '{body}'}}\n"
)


def inspected(folder: Path, server: str, body: str = "hello") -> tuple[list[str], list[str]]:
    """Return problems and warnings, without those that each such configuration has."""
    file = folder / "watcher.yaml"
    file.write_text(TEXT.format(server=server, body=body))
    found = inspect_files([file], environ={})
    texts = [one.message for one in found.config.warnings]
    return [f"{one.message}; {one.remedy}" for one in found.problems], texts


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("{public_url: watcher.example.com}", "`public_url` is no address of a server"),
        ("{public_url: 'https://a.example/?x'}", "is no address of a server"),
        ("{public_url: 'https://u:p@a.example'}", "is no address of a server"),
        ("{public_url: 'https://a.example', links: {ack: 1s}}", "links.ack"),
        ("{public_url: 'https://a.example', links: {akc: 1d}}", "akc"),
        ("{public_url: 'https://a.example', links: {key: short}}", "is too short to sign with"),
        ("{public_url: 'https://a.example', links: true}", "links"),
    ],
)
def test_what_is_wrong_is_said(server: str, said: str, tmp_path: Path) -> None:
    problems, _ = inspected(tmp_path, server)
    assert len(problems) == 1
    assert said in problems[0]


@pytest.mark.parametrize(
    "server",
    [
        "{public_url: 'https://a.example/inbox/'}",
        "{public_url: 'https://a.example', links: false}",
        f"{{public_url: 'http://localhost:8484', links: {{ack: 1d, show: 2d, key: {KEY}}}}}",
    ],
)
def test_what_is_right_is_taken(server: str, tmp_path: Path) -> None:
    assert inspected(tmp_path, server) == ([], [])


def test_links_in_the_clear_are_weak(tmp_path: Path) -> None:
    _, (warning,) = inspected(tmp_path, "{public_url: 'http://a.example'}")
    assert "is without TLS" in warning
    for accepted in ("links: false", "insecure: true"):
        assert inspected(tmp_path, f"{{public_url: 'http://a.example', {accepted}}}") == ([], [])


@pytest.mark.parametrize("body", ["{{{{ links.ack }}}}", "{{% if links %}}x{{% endif %}}"])
@pytest.mark.parametrize(
    "server", ["false", "{}", "{public_url: 'https://a.example', links: false}"]
)
def test_a_message_that_asks_for_links_that_there_are_not(
    server: str, body: str, tmp_path: Path
) -> None:
    body = body.format()
    _, (warning,) = inspected(tmp_path, server, body)
    assert "`links` is empty" in warning
    assert inspected(tmp_path, "{public_url: 'https://a.example'}", body) == ([], [])


def test_keys_of_the_configuration_sign_before_those_of_the_store(tmp_path: Path) -> None:
    file = tmp_path / "watcher.yaml"
    keys = f"{{key: {KEY}, previous_key: {KEY[::-1]}}}"
    file.write_text(
        TEXT.format(server=f"{{public_url: 'https://a.example/w/', links: {keys}}}", body="x")
    )
    config = inspect_files([file], environ={}).config
    found = configured_keys(config)
    assert found == (KEY.encode(), KEY[::-1].encode())
    links = links_with(config, found)
    assert links is not None
    assert (links.base, links.key) == ("https://a.example/w", KEY.encode())
    assert links.lasts["silence"] == timedelta(hours=24)
    assert config.redactor.scrub(f"the key {KEY} is known") == "the key *** is known"
