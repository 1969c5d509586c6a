"""Files that other users may change, and secrets that they may read, are told; containers' mounts are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watcher.config.load import load
from watcher.secrets.modes import is_provided, openness

WHOLE = """{top}
sources:
  s: {{provider: chatwoot, account_id: 1, token: "${{file:token}}", base_url: https://a.example}}
receivers:
  r: {{type: webhook, url: https://b.example/h}}
rules: [{{name: all, when: source.*, notify: r}}]
"""


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def warned(folder: Path, *, config: int = 0o644, secret: int = 0o600, top: str = "") -> list[str]:
    write(folder / "token", "not-a-token-1", secret)
    loaded = load([write(folder / "watcher.yaml", WHOLE.format(top=top), config)], environ={})
    assert loaded.weak == loaded.warnings
    return [str(one) for one in loaded.weak]


@pytest.mark.parametrize(
    ("mode", "who"),
    [
        (0o600, ""), (0o644, ""), (0o444, ""), (0o640, ""), (0o755, ""),
        (0o666, "every user of this machine"), (0o602, "every user of this machine"),
    ],
)  # fmt: skip
def test_a_configuration_that_others_may_change_is_told(
    tmp_path: Path, mode: int, who: str
) -> None:
    found = warned(tmp_path, config=mode)
    assert [f"watcher.yaml: this file can be changed by {who}" in one for one in found] == (
        [True] if who else []
    )
    assert warned(tmp_path, config=mode, top="insecure_files: true") == []


@pytest.mark.parametrize(
    ("mode", "does"),
    [
        (0o600, ""), (0o400, ""), (0o644, "read"), (0o604, "read"), (0o444, "read"),
        (0o666, "changed"), (0o622, "changed"),
    ],
)  # fmt: skip
def test_a_secret_that_others_may_read_is_told_where_it_is_named(
    tmp_path: Path, mode: int, does: str
) -> None:
    found = warned(tmp_path, secret=mode)
    assert [f"can be {does} by every user" in one for one in found] == ([True] if does else [])
    assert all("watcher.yaml:3:" in one and f"(mode {mode:04o})" in one for one in found)
    assert all("not-a-token-1" not in one for one in found)
    assert warned(tmp_path, secret=mode, top="insecure_files: true") == []


LITERAL, WITHOUT = "not-a-token-1", "token: '${TOKEN}'"
CASES = [
    # what stands in the file, with the secrets that are written out in it
    ("{}", 0),
    (f"{{token: {LITERAL}}}", 1),
    ("{token: '${file:token}'}", 0),
    ("{token: '${TOKEN}'}", 0),
    ("{token: 'live-${TOKEN}'}", 0),
    (f"{{token: '${{UNSET:-{LITERAL}}}'}}", 1),
    (f"{{token: '${{TOKEN:-{LITERAL}}}'}}", 0),
    (f"{{token: {LITERAL}, proxy: 'http://user:{LITERAL}@proxy.example'}}", 2),
    ("{token: '${TOKEN}', proxy: 'http://proxy.example'}", 0),
]
HOOKS = [
    ("{type: webhook, url: https://b.example/h}", 0),
    (f"{{type: webhook, url: 'https://user:{LITERAL}@b.example/h'}}", 1),
    (f"{{type: webhook, url: 'https://b.example/h?token={LITERAL}'}}", 1),
    ("{type: webhook, url: 'https://user:${PASS}@b.example/h'}", 0),
    (f"{{type: webhook, url: https://b.example/h, secret: whsec_{'A' * 32}}}", 1),
    (f"{{type: webhook, url: https://b.example/h, headers: {{Authorization: {LITERAL}}}}}", 1),
    (f"{{type: webhook, url: https://b.example/h, headers: {{X-Team: {LITERAL}}}}}", 0),
    ("{type: webhook, url: https://b.example/h, headers: {Authorization: 'Bearer ${TOKEN}'}}", 0),
    ("{type: apprise, url: 'jsons://b.example/h'}", 0),
    (f"{{type: apprise, url: 'jsons://user:{LITERAL}@b.example/h'}}", 1),
    (f"{{type: apprise, url: 'jsons://b.example/h?+X-Api-Key={LITERAL}'}}", 1),
    (f"{{type: apprise, url: 'discord://4174216298/{LITERAL}'}}", 1),
    ("{type: apprise, url: 'discord://4174216298/${TOKEN}'}", 0),
    ("{type: apprise, urls: ['${TOKEN}', 'jsons://b.example/h']}", 0),
]


def told(folder: Path, source: str, receiver: str, mode: int, *, top: str = "") -> list[str]:
    write(folder / "token", "sn-another-1")
    text = (
        f"{top}\nsources: {{s: {{provider: chatwoot, account_id: 1, base_url: 'https://a.example',"
        f" {source.strip('{}') or WITHOUT}}}}}\n"
        f"receivers:\n  r: {receiver}\nrules: [{{name: all, when: source.*, notify: r}}]\n"
    )
    loaded = load(
        [write(folder / "watcher.yaml", text, mode)],
        environ={"TOKEN": "discord://1234567/tok-2", "PASS": "w0rd-of-yore"},
    )
    assert LITERAL not in " ".join(map(str, loaded.warnings))
    return [str(one) for one in loaded.weak if "can be read" in str(one)]


@pytest.mark.parametrize(
    ("source", "receiver", "secrets"),
    [(one, HOOKS[0][0], count) for one, count in CASES]
    + [(CASES[0][0], one, count) for one, count in HOOKS],
)
def test_a_configuration_that_others_may_read_is_told_if_it_holds_a_secret(
    tmp_path: Path, source: str, receiver: str, secrets: int
) -> None:
    said = told(tmp_path, source, receiver, 0o644)
    if not secrets:
        assert said == []
        return
    (one,) = said
    many = "a secret is" if secrets == 1 else f"{secrets} secrets are"
    assert "this file can be read by every user of this machine (mode 0644)" in one
    assert f", and {many} written out in it (`chmod 600` it, or write `${{NAME}}`" in one
    assert "watcher.yaml:2:" in one or "watcher.yaml:4:" in one
    for mode in (0o600, 0o400):
        (tmp_path / "watcher.yaml").unlink()
        assert told(tmp_path, source, receiver, mode) == []
    assert told(tmp_path, source, receiver, 0o644, top="insecure_files: true") == []


def test_a_folder_in_which_others_replace_files_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    assert any("(mode 0777 of its folder)" in one for one in warned(folder))
    folder.chmod(0o1777)  # as /tmp is: nobody removes another user's files
    assert warned(folder) == []


def test_what_no_secret_needs_is_not_looked_at(tmp_path: Path) -> None:
    """`check --no-secrets` is for another machine, whose files say nothing of this one's."""
    write(tmp_path / "token", "x", 0o666)
    file = write(tmp_path / "watcher.yaml", WHOLE.format(top=""), 0o666)
    assert load([file], environ={}, secrets=False).warnings == ()


def test_the_key_of_a_certificate_is_a_secret(tmp_path: Path) -> None:
    key = write(tmp_path / "key.pem", "", 0o644)
    assert openness(key, secret=True) == "can be read by every user of this machine (mode 0644)"
    assert openness(key, secret=False) == ""


def kubernetes(folder: Path, mode: int) -> Path:
    """Lay a secret out as the kubelet does: a folder of each version, behind two links."""
    version = folder / "..2026_11_30_10_00_00.123"
    version.mkdir(parents=True)
    write(version / "token", "x", mode)
    (folder / "..data").symlink_to(version.name)
    (folder / "token").symlink_to("..data/token")
    return folder / "token"


@pytest.mark.parametrize("mode", [0o644, 0o444, 0o440, 0o400])
def test_a_secret_of_kubernetes_is_no_noise(tmp_path: Path, mode: int) -> None:
    assert openness(kubernetes(tmp_path, mode), secret=True) == ""


def test_the_layout_alone_does_not_make_it_one(tmp_path: Path) -> None:
    token = kubernetes(tmp_path, 0o666)
    assert "can be changed" in openness(token, secret=True)  # unless it is mounted read-only
    stranger = 4_000_000_000
    assert not is_provided(token, stranger)


@pytest.mark.parametrize(
    ("path", "provided"),
    [
        ("/run/secrets/token", True),
        ("/var/run/secrets/kubernetes.io/serviceaccount/token", True),
        ("/run/secretsful/token", False),
        ("/etc/inbox-watcher/token", False),
    ],
)
def test_where_engines_put_secrets(path: str, provided: bool) -> None:
    assert is_provided(Path(path), 4_000_000_000) is provided


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_group_counts_unless_nobody_else_is_in_it(tmp_path: Path) -> None:
    file = write(tmp_path / "token", "x", 0o660)
    assert openness(file, secret=True) == ""  # root's own group
    os.chown(file, 0, 1)
    assert openness(file, secret=True) == "can be changed by its whole group (mode 0660)"
    file.chmod(0o640)
    assert openness(file, secret=True) == "can be read by its whole group (mode 0640)"
    os.chown(file, 54_321, os.getegid())  # `root:inbox-watcher 0640`, seen by inbox-watcher
    assert openness(file, secret=True) == ""
    os.chown(file, 54_321, 54_321)  # ids without names, as containers have them
    file.chmod(0o660)
    assert openness(file, secret=True) == ""
