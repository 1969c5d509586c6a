"""Tables on real terminals of several widths, in colour and without."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from rich.cells import cell_len

from tests.cli.harness import NOW, Harness, dead, remembered
from watcher.records import Commit, Trouble

COLOUR = re.compile("\x1b\\[[0-9;]*m")


def on_terminal(harness: Harness, width: int, *arguments: str, **environ: str) -> str:
    """Run the real program on a terminal of this width; return all that it wrote there."""
    settings = {"TERM": "xterm-256color", "INBOX_WATCHER_CONFIG": str(harness.config), **environ}
    settings |= {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    terminal, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    command = [sys.executable, "-m", "watcher", *arguments]
    child = subprocess.Popen(command, env=settings, stdin=other, stdout=other, stderr=other)
    os.close(other)
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(terminal)
    child.wait()
    return written.decode().replace("\r\n", "\n")


@pytest.fixture
def busy(harness: Harness) -> Harness:
    """A store with a source that fails and two dead deliveries with long notes."""
    failing = Trouble(NOW, "the token is refused by the service", "make a new one and reload")
    note = "HTTP 500: " + "something went quite wrong " * 5
    harness.fill(Commit("support", remembered(failing=failing)), dead("a", note=note), dead("b"))
    return harness


@pytest.mark.parametrize("width", [120, 80, 40])
def test_state_time_and_id_are_whole_at_every_width(busy: Harness, width: int) -> None:
    shown = COLOUR.sub("", on_terminal(busy, width, "deliveries"))
    assert all(cell_len(line) <= width for line in shown.splitlines())
    first = dead("a").deliveries[0]
    words = shown.split()
    assert f"{first.id[:12]}/crm" in words
    assert "dead" in words
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", shown)
    rows = sum(f"{one.deliveries[0].id[:12]}" in shown for one in (dead("a"), dead("b")))
    assert rows == 2
    events = COLOUR.sub("", on_terminal(busy, width, "events"))
    assert all(cell_len(line) <= width for line in events.splitlines())
    assert first.event.id[:12] in events.split()
    assert "conversation.unread" in events.split()


@pytest.mark.parametrize("width", [120, 80, 40])
def test_every_table_fits(harness: Harness, width: int) -> None:
    harness.world.message(harness.account.conversations["2"], "A rather long question: " * 9)
    assert harness.run("run", "--once").exit_code == 0
    why = ("--match", "source == 'support' && conversation.unread", "--reason", "a long one " * 9)
    added = harness.run("silence", "add", "--for", "2h", *why).stdout.strip()
    for command, whole in (
        (("silence", "list"), (added,)),
        (("conversations",), ("2", "waiting")),
        (("backtest", "--messages"), ()),
        (("status",), ("support", "crm")),
    ):
        shown = COLOUR.sub("", on_terminal(harness, width, *command))
        # Sentences are wrapped by the terminal: those with a semicolon, and what a version cannot tell.
        sentences = re.compile(r"^What .*?(?:\n(?=\n)|\Z)", re.M | re.S)
        table = [line for line in sentences.sub("", shown).splitlines() if "; " not in line]
        assert all(cell_len(line) <= width for line in table), table
        assert set(whole) <= set(" ".join(table).split())


def test_narrow_terminals_shed_columns_and_tell_the_reason_below(busy: Harness) -> None:
    wide, narrow = (COLOUR.sub("", on_terminal(busy, width, "status")) for width in (200, 80))
    told = "at last failing; since"
    assert any(line.startswith("support") and told in line for line in wide.splitlines())
    below = narrow.splitlines()[
        narrow.splitlines().index(
            next(line for line in narrow.splitlines() if line.startswith("support"))
        )
        + 1
    ]
    assert below.startswith(f"    {told}")
    assert "rule" in on_terminal(busy, 200, "deliveries").split("\n")[0]
    assert "rule" not in on_terminal(busy, 60, "deliveries").split("\n")[0]


def test_colours_are_for_terminals_that_want_them(busy: Harness) -> None:
    red = "\x1b[31mdead"
    assert red in on_terminal(busy, 120, "deliveries")
    assert "\x1b[33mnot watched" in on_terminal(busy, 120, "status")
    assert "\x1b[3" not in on_terminal(busy, 120, "deliveries", NO_COLOR="1")
    assert "\x1b" not in on_terminal(busy, 120, "deliveries", TERM="dumb")
    assert "\x1b" not in busy.run("deliveries").output


def test_in_a_pipe_a_row_is_a_line_with_all_columns(busy: Harness) -> None:
    lines = busy.run("deliveries").stdout.splitlines()
    assert len(lines) == 3
    assert all(line == line.rstrip() for line in lines)
    head, *rows = [re.split("  +", line) for line in lines]
    assert head == [
        "id", "state", "when", "type", "conversation", "rule", "contact", "tries", "note",
    ]  # fmt: skip
    assert [len(row) for row in rows] == [9, 9]
    assert {row[1] for row in rows} == {"dead"}
    status = [line for line in busy.run("status").stdout.splitlines() if line.startswith("support")]
    assert len(status) == 1
    assert "make a new one and reload" in status[0]
