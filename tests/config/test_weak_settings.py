"""What weakens the protection of secrets is told with its place, and can be accepted there."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.load import load
from watcher.daemon.receiver_probe import probe
from watcher.notify.apprise import validate

WHOLE = """{top}
sources: {{s: {{provider: chatwoot, account_id: 1, token: not-a-token, base_url: '{base}'{source}}}}}
receivers: {{r: {{{receiver}}}}}
rules: [{{name: all, when: source.*, notify: r}}]
"""
BASE = "https://chat.example.com"
HOOK = "type: webhook, url: 'https://crm.example.com/h'"
CLEAR = "it has an http:// address of another machine"


def warned(
    folder: Path, base: str = BASE, source: str = "", receiver: str = HOOK, top: str = ""
) -> list[str]:
    file = folder / "watcher.yaml"
    file.write_text(WHOLE.format(base=base, source=source, receiver=receiver, top=top))
    config = load([file], environ={})
    assert config.weak == config.warnings  # nothing else is wrong, and `status` shows the same
    return [str(one) for one in config.weak]


@pytest.mark.parametrize(
    ("host", "weak"),
    [
        ("chat.example.com", True), ("10.0.0.7:3000", True), ("[fe80::1]", True),
        ("127.0.0.1:3000", False), ("localhost", False), ("[::1]:3000", False),
    ],
)  # fmt: skip
def test_an_address_without_tls_is_told(tmp_path: Path, host: str, weak: bool) -> None:
    found = [one for one in warned(tmp_path, f"http://{host}") if "link-local" not in one]
    assert [CLEAR in one for one in found] == [True] * weak
    assert all("watcher.yaml:2:" in one for one in found)
    assert warned(tmp_path, f"http://{host}", ", insecure: true") == []
    hook = f"type: webhook, url: 'http://{host}/h'"
    found = [one for one in warned(tmp_path, receiver=hook) if "link-local" not in one]
    assert [CLEAR in one for one in found] == [True] * weak
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


@pytest.mark.parametrize("part", ["source", "receiver"])
def test_certificates_that_are_not_verified_are_told_and_can_be_accepted(
    tmp_path: Path, part: str
) -> None:
    def asked(more: str) -> list[str]:
        if part == "source":
            return warned(tmp_path, source=f", tls_verify: false{more}")
        return warned(tmp_path, receiver=f"{HOOK}, tls_verify: false{more}")

    (told,) = asked("")
    assert "watcher.yaml:" in told
    assert f"TLS IS NOT VERIFIED for the {part} `{part[0]}` (`tls_verify: false`)" in told
    assert asked(", insecure: true") == []


@pytest.mark.parametrize(
    ("host", "weak"),
    [
        ("169.254.169.254", True), ("2852039166", True), ("0xa9fea9fe", True), ("[fe80::1]", True),
        ("[::ffff:169.254.169.254]", True), ("10.0.0.7", False), ("chat.example.com", False),
    ],
)  # fmt: skip
def test_a_link_local_address_is_told(tmp_path: Path, host: str, weak: bool) -> None:
    found = warned(tmp_path, f"https://{host}")
    assert ["the source `s` is link-local" in one for one in found] == [True] * weak
    assert warned(tmp_path, f"https://{host}", ", insecure: true") == []
    hook = f"type: webhook, url: 'https://{host}/h'"
    found = warned(tmp_path, receiver=hook)
    assert ["the receiver `r` is link-local" in one for one in found] == [True] * weak
    assert warned(tmp_path, receiver=f"{hook}, insecure: true") == []


@pytest.mark.parametrize(
    ("listen", "weak"),
    [
        ("0.0.0.0:8484", True), ("[::]:8484", True), ("10.0.0.7:8484", True),
        ("127.0.0.1:8484", False), ("[::1]:8484", False), ("localhost:8484", False),
    ],
)  # fmt: skip
def test_a_listener_without_tls_is_told(tmp_path: Path, listen: str, weak: bool) -> None:
    said = "can be reached from other machines without TLS"
    login = "trusted_header: {name: x-user, from: 10.0.0.5, viewers: '*'}"
    found = warned(tmp_path, top=f"server: {{listen: '{listen}', {login}}}")
    assert [said in one for one in found] == [True] * weak
    assert all("watcher.yaml:1:" in one for one in found)
    assert warned(tmp_path, top=f"server: {{listen: '{listen}', {login}, insecure: true}}") == []
    assert warned(tmp_path, top="server: {probes: '0.0.0.0:8485'}") == []  # asked for, on purpose


PLUG_INS = [
    ("jsons://team.example.com/?verify=no", ("unverified",)),
    ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?verify=no", ("unverified",)),
    ("json://team.example.com/", ("clear",)),
    ("json://team/", ("clear",)),
    ("json://team.example.com/?verify=no", ("unverified", "clear")),
    ("mailto://u:p@example.com", ("clear",)),
    ("mailtos://u:p@example.com?mode=insecure", ("clear",)),
    ("ntfy://ntfy.example.com/topic", ("clear",)),
    ("matrix://u:p@h.example/#room", ("clear",)),
    ("rsyslog://logs.example.com", ("clear",)),
    ("jsons://169.254.169.254/", ("link-local",)),
    ("jsons://2852039166/", ("link-local",)),
    ("json://[fe80::1]/", ("clear", "link-local")),
    ("jsons://team.example.com/", ()),
    ("json://127.0.0.1:9/", ()),
    ("json://localhost/", ()),
    ("mailto://u:p@gmail.com", ()),  # Apprise knows that it takes STARTTLS
    ("mailtos://u:p@example.com", ()),
    ("ntfy://topic", ()),  # these have services of their own, which speak TLS
    ("notica://abc123", ()),
    ("notifico://2144/uJmKaBW9WFk42miB146ci3Kj", ()),
    ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", ()),
    ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", ()),
]


async def test_the_loaded_plug_in_says_what_is_weak() -> None:
    told = await validate([url for url, _ in PLUG_INS])
    assert [verdict.problem for verdict in told] == [None] * len(PLUG_INS)
    assert [
        (url, verdict.weak) for (url, _), verdict in zip(PLUG_INS, told, strict=True)
    ] == PLUG_INS


async def test_what_a_plug_in_says_has_its_place_and_can_be_accepted(tmp_path: Path) -> None:
    file = tmp_path / "watcher.yaml"
    for accepted in (False, True):
        more = ", insecure: true" if accepted else ""
        urls = "['jsons://a.example/', 'mailto://u:p@b.example', 'jsons://c.example/?verify=no']"
        team = f"type: apprise, urls: {urls}{more}"
        file.write_text(WHOLE.format(base=BASE, source="", receiver=team, top=""))
        config = load([file], environ={})
        found = await probe(config.receivers, config.places)
        assert found.problems == ()
        if accepted:
            assert found.weak == ()
            continue
        clear, verified = map(str, found.weak)
        assert "watcher.yaml:3:" in clear
        assert "NO TLS for the receiver `r`: its service speaks no TLS to another machine" in clear
        assert verified in map(str, config.weak)  # the URL alone shows it, too; it is told once
