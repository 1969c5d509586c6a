"""The law about secrets: whatever the other sides quote, in whatever form, none is found anywhere.

The real program runs against servers that answer every request with an error which quotes all
headers in every form. Then whatever it has written, shown, logged or sent is searched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.loopback import Served, answer, serving
from watcher.cli import app
from watcher.simulator.echo import echo, forms_of

TOKENS = {
    "SUPPORT": 'tok"en\\sup/port+1%2',
    "SALES": "pit-5e4c1b2a-sales",
    "LEADS": "lead~ping~token-77",
}
USER, PASSWORD = "hookuser", "hookpassw0rd77"
HEADER = 'hdr"quote\\secret99'
SIGNING = "whsec_" + "c2lnbmluZyBrZXkgb2YgdGhlc2UgdGVzdHM="
KEY = "apikey+of/apprise=="
SECRETS = (*TOKENS.values(), PASSWORD, f"{USER}:{PASSWORD}", HEADER, SIGNING[6:], KEY)

READING = (
    ("status",), ("status", "--json"), ("events",), ("events", "--json"), ("deliveries",),
    ("deliveries", "--json"), ("conversations", "--json"), ("check", "--no-secrets"), ("backtest",),
)  # fmt: skip
ASKING = (("check", "--online"), ("send-test", "crm"), ("send-test", "team"), ("run", "--once"))

CONFIGURATION = """
store: state/watcher.db
server: false
sources:
  support: {{provider: chatwoot, account_id: 1, base_url: '{url}', poll_every: 1s, token: '${{SUPPORT}}'}}
  sales: {{provider: highlevel, location_id: loc1, base_url: '{url}', poll_every: 1s, token: '${{SALES}}'}}
  leads: {{provider: leadping, organization: org1, base_url: '{url}', poll_every: 1s, token: '${{LEADS}}'}}
receivers:
  watch: {{type: webhook, url: '{taking}/watch'}}
  crm:
    type: webhook
    url: '{crm}'
    secret: '${{SIGNING}}'
    headers: {{X-Key: '${{HEADER}}'}}
    retry: [100ms, 100ms, 100ms, 100ms]
  team: {{type: apprise, url: '{team}', retry: [100ms, 100ms]}}
rules: [{{name: all, when: '*', notify: [watch, crm, team]}}]
"""


def words(status: str) -> Any:
    """Answer with an error in each provider's words, that quote the whole request."""

    async def script(served: Served, writer: asyncio.StreamWriter) -> None:
        head = served.requests[-1].partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        # The credentials first: what is shown of an error is short.
        pairs = sorted(
            ((name, value.strip()) for name, _, value in (line.partition(b":") for line in head)),
            key=lambda pair: (
                not any(word in pair[0].lower() for word in (b"auth", b"token", b"key"))
            ),
        )
        quoted = list(echo(pairs))
        said = quoted[len(served.requests) % 25] + " " + " ".join(quoted)
        body = json.dumps({"error": said, "message": said, "detail": said, "all": quoted})
        writer.write(answer(body.encode(), f"X-Echo: {quoted[-1]}", status=status))
        await writer.drain()

    return script


async def program(
    folder: Path, environ: dict[str, str], *arguments: str, seconds: float = 30
) -> bytes:
    """Run the program, for some time at most; return all that it has written."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "watcher", "--log-level", "debug", *arguments,
        cwd=folder,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    reading = asyncio.ensure_future(process.communicate())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), seconds)
    if not reading.done():
        process.terminate()
    return (await reading)[0]


def here(environ: dict[str, str], *arguments: str) -> bytes:
    """Run a command that reads, in this process; return all that it has written."""
    return CliRunner().invoke(app, arguments, env=environ).output.encode()


def found(where: str, text: bytes) -> list[str]:
    """Return where which secret shows, in any form."""
    return [
        f"{where}: {secret!r} as {form!r}"
        for secret in SECRETS
        for form in (*forms_of(secret), *_cores(secret))
        if form.encode() in text
    ]


def _cores(secret: str) -> list[str]:
    """Return what of a text's Base64 stands in every Base64 that it is a part of."""
    padded = [form for form in forms_of(secret) if form.endswith(("Li4=", "Li4u"))]
    return [one[4:-6] for one in padded if len(one) > 20]


@pytest.mark.parametrize("status", ["401 Unauthorized", "500 Internal Server Error"])
async def test_no_secret_leaves_in_any_form(status: str, tmp_path: Path) -> None:
    environ = {
        **TOKENS,
        "SIGNING": SIGNING,
        "HEADER": HEADER,
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TZ": "UTC",
        "INBOX_WATCHER_CONFIG": str(tmp_path / "watcher.yaml"),
    }
    (tmp_path / "state").mkdir()
    async with serving(words(status)) as echoing, serving(answer(b"thanks")) as taking:
        port = echoing.port
        (tmp_path / "watcher.yaml").write_text(
            CONFIGURATION.format(
                url=echoing.url,
                taking=taking.url,
                crm=f"http://{USER}:{PASSWORD}@127.0.0.1:{port}/crm",
                team=f"json://{USER}:{PASSWORD}@127.0.0.1:{port}/team/"
                f"?%2BX-Api-Key={KEY.replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}",
            )
        )
        said = {"run": await program(tmp_path, environ, "run", seconds=20)}
        stored = {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()}
        for command in ASKING:
            said[" ".join(command)] = await program(tmp_path, environ, *command)
        for command in READING:
            said[" ".join(command)] = await asyncio.to_thread(here, environ, *command)
        rows = map(json.loads, said["deliveries --json"].splitlines())
        shown = next(row["id"] for row in rows if row["receiver"] == "crm")
        for command in (("deliveries", "show", shown), ("why", shown), ("why", shown, "--json")):
            said[" ".join(command)] = await asyncio.to_thread(here, environ, *command)
        sent = b"\n".join(one.partition(b"\r\n\r\n")[2] for one in taking.requests)
        quoted = b"\n".join(one.partition(b"\r\n\r\n")[2] for one in echoing.requests)
    stored |= {
        path.name: path.read_bytes() for path in (tmp_path / "state").iterdir() if path.is_file()
    }
    leaks = [
        leak
        for where, text in {**said, **stored, "sent": sent, "bodies": quoted}.items()
        for leak in found(where, text)
    ]
    assert leaks == []
    # It was quoted, kept and told all the same.
    assert b"source.failing" in sent
    assert b"receiver.failing" in sent
    assert b"***" in said["status"]
    assert b"***" in said[f"deliveries show {shown}"]
