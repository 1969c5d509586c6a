"""No part of an address is told anywhere: canaries in every part of it, looked for in all outputs."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.support.loopback import answer, serving, unused_port
from tests.support.make import commit, delivery, event
from watcher.store.sqlite import SqliteStore

CANARIES = ("CanaryUser", "CanaryPassword", "canarypath", "CanaryQuery", "CanaryHeader")
PARTS = "CanaryUser:CanaryPassword@127.0.0.1:{port}/canarypath/?-q=CanaryQuery&+X-Auth=CanaryHeader"


async def run(folder: Path, *arguments: str) -> bytes:
    """Run the program; gives everything that it writes, and what the system shows of its workers."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "watcher", *arguments, "--config", str(folder / "rules.yaml"),
        cwd=folder,
        env={"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PATH": "/usr/bin:/bin"}
        | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    seen: set[bytes] = set()
    reading = asyncio.ensure_future(process.communicate())
    while not reading.done():
        for pid in (process.pid, *children(process.pid)):
            seen.update(shown(pid))
        await asyncio.wait([reading], timeout=0.1)
    return (await reading)[0] + b"\n".join(seen)


def shown(pid: int) -> list[bytes]:
    """Return what others may see of a process: its arguments and its environment."""
    found: list[bytes] = []
    for name in ("cmdline", "environ"):
        with contextlib.suppress(OSError):  # it has ended
            found.append(Path(f"/proc/{pid}/{name}").read_bytes())
    return found


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


@pytest.mark.parametrize("trouble", ["500", "bad"])
async def test_a_canary_in_an_address_is_found_nowhere(trouble: str, tmp_path: Path) -> None:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    echo = " ".join(CANARIES).encode()
    async with serving(answer(echo, status=f"500 {echo.decode()}")) as served:
        port = served.port
        schema = "json" if trouble != "bad" else "slack"
        (tmp_path / "url").write_text(f"{schema}://{PARTS.format(port=port)}")
        (tmp_path / "rules.yaml").write_text(
            "store: state/watcher.db\n"
            "server: false\n"
            f"sources: {{sales: {{provider: leadping, organization: x, token: x,"
            f" base_url: 'http://127.0.0.1:{await unused_port()}'}}}}\n"
            "receivers: {team: {type: apprise, url: '${file:url}', retry: [1h]}}\n"
            "rules: [{name: all, when: '*', notify: team}]\n"
        )
        (tmp_path / "state").mkdir()
        store = await SqliteStore.open(tmp_path / "state" / "watcher.db")
        await store.commit(commit(delivery(event("e1"), rule="all")))
        await store.close()
        before = files(tmp_path)
        said = b""
        for command in (("check",), ("run", "--once"), ("send-test", "team")):
            said += await run(tmp_path, *command)
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "watcher.db")) as database:
        said += "\n".join(database.iterdump()).encode()
        attempts = database.execute("SELECT attempt FROM deliveries").fetchall()
    assert attempts == [(1,)]
    made = files(tmp_path) - before
    assert all(path.parent.name == "state" for path in made), made  # Apprise leaves no files
    for path in made:
        said += path.read_bytes()
    for canary in CANARIES:
        assert canary.lower().encode() not in said.lower(), canary
