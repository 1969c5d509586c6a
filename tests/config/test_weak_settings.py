"""What weakens the protection of secrets is told with its place, and can be accepted there."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config import load

WHOLE = """
sources: {{s: {{provider: chatwoot, account_id: 1, token: not-a-token, base_url: '{base}'{source}}}}}
receivers: {{r: {{{receiver}}}}}
rules: [{{name: all, when: source.*, notify: r}}]
"""
BASE = "https://chat.example.com"
HOOK = "type: webhook, url: 'https://crm.example.com/h'"
CLEAR = "it has an http:// address of another machine"


def warned(folder: Path, base: str = BASE, source: str = "", receiver: str = HOOK) -> list[str]:
    file = folder / "watcher.yaml"
    file.write_text(WHOLE.format(base=base, source=source, receiver=receiver))
    return [str(one) for one in load([file], environ={}).warnings]


@pytest.mark.parametrize(
    ("host", "weak"),
    [
        ("chat.example.com", True), ("10.0.0.7:3000", True), ("[fe80::1]", True),
        ("127.0.0.1:3000", False), ("localhost", False), ("[::1]:3000", False),
    ],
)  # fmt: skip
def test_an_address_without_tls_is_told(tmp_path: Path, host: str, weak: bool) -> None:
    found = warned(tmp_path, f"http://{host}")
    assert [CLEAR in one for one in found] == [True] * weak
    assert all("watcher.yaml:2:" in one for one in found)
    assert warned(tmp_path, f"http://{host}", ", insecure: true") == []
    hook = f"type: webhook, url: 'http://{host}/h'"
    assert [CLEAR in one for one in warned(tmp_path, receiver=hook)] == [True] * weak
    assert warned(tmp_path, receiver=f"{hook}, insecure: true") == []


@pytest.mark.parametrize(
    ("asked", "weak"),
    [
        ("verify=no", True),
        ("x=1&verify=False", True),
        ("verify=0", True),
        ("verify=yes", False),
        ("", False),
    ],
)
def test_a_url_that_verifies_nothing_is_told(tmp_path: Path, asked: str, weak: bool) -> None:
    team = f"type: apprise, url: 'jsons://team.example.com/?{asked}'"
    found = warned(tmp_path, receiver=team)
    assert ["TLS IS NOT VERIFIED for the receiver `r`" in one for one in found] == [True] * weak
    assert warned(tmp_path, receiver=f"{team}, insecure: true") == []
    assert load([tmp_path / "watcher.yaml"], environ={}).receivers[0].verified is not weak
