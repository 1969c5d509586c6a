"""`events`: the log for people and for programs, at rest and as it grows."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from tests.cli.harness import NOW, Harness, json_lines, wait_until
from watcher.daemon.sample import sample
from watcher.model import Event
from watcher.records import Commit


def recorded(mark: str, **changed: Any) -> Event:
    """Make an event an hour ago that the log can hold."""
    return dataclasses.replace(
        sample("support", "chatwoot", NOW - timedelta(hours=1), mark), **changed
    )


EVENTS = (
    recorded("a", time=NOW - timedelta(days=2)),
    recorded("b", type="conversation.read", subject="7"),
    recorded("c", type="source.failing", subject=None, data={"reason": "HTTP 500", "remedy": ""}),
    recorded("d", source="sales"),
)


@pytest.fixture
def log(harness: Harness) -> Harness:
    """A store with four events."""
    harness.fill(Commit("support", events=EVENTS))
    return harness


def test_json_gives_the_exact_objects_that_receivers_get(log: Harness) -> None:
    result = log.run("events", "--json", secrets=False)
    assert result.exit_code == 0
    assert json_lines(result.stdout) == [event.to_plain() for event in EVENTS]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--since", "1d"], [1, 2, 3]),
        (["--type", "conversation.*"], [0, 1, 3]),
        (["--type", "source.failing"], [2]),
        (["--source", "sales"], [3]),
        (["--conversation", "7"], [1]),
        (["--limit", "2"], [2, 3]),
        (["--since", "1m"], []),
    ],
)
def test_each_option_narrows_the_log(log: Harness, options: list[str], left: list[int]) -> None:
    shown = json_lines(log.run("events", "--json", *options).stdout)
    assert [one["id"] for one in shown] == [EVENTS[number].id for number in left]


def test_people_get_a_line_per_event(log: Harness) -> None:
    lines = log.run("events").stdout.splitlines()
    assert len(lines) == len(EVENTS)
    assert [re.split("  +", line)[1:] for line in lines[1:]] == [
        [EVENTS[1].id[:12], "conversation.read", "support", "7", "Inbox Watcher Test", "was read"],
        [EVENTS[2].id[:12], "source.failing", "support", "-", "-", "cannot be read: HTTP 500"],
        [
            EVENTS[3].id[:12],
            "conversation.unread",
            "sales",
            EVENTS[3].subject,
            "Inbox Watcher Test",
            "became unread",
        ],
    ]


def test_a_name_from_outside_cannot_steer_the_terminal(harness: Harness) -> None:
    data = {**EVENTS[0].data, "changes": {"status": {"before": "\x1b[2J", "after": "a\nb"}}}
    harness.fill(Commit("support", events=(recorded("e", data=data),)))
    shown = harness.run("events").stdout
    assert "\x1b" not in shown
    assert shown.count("\n") == 1


def test_without_a_store_it_says_what_to_start(harness: Harness) -> None:
    result = harness.run("events")
    assert result.exit_code == 1
    cause, remedy = result.stderr.splitlines()
    assert cause == f"error: there is no store at {harness.store}"
    assert remedy.startswith("help: start `inbox-watcher run`")


def test_following_shows_what_comes_until_ctrl_c(log: Harness, running: Any) -> None:
    options = ("--json", "--type", "conversation.*", "--since", "3d")
    with running("events", "--follow", *options) as follower:
        follower.wait_for(EVENTS[3].id)
        late = [recorded(f"late {number}", time=NOW) for number in range(3)]
        unwanted = recorded("unwanted", type="source.recovered")
        log.fill(
            Commit("support", events=(*late[:2], unwanted)), Commit("support", events=(late[2],))
        )
        follower.wait_for(late[2].id)
        assert follower.stop(signal.SIGINT) == 0
    shown = [one["id"] for one in json_lines("".join(follower.out))]
    assert shown == [one.id for one in (EVENTS[0], EVENTS[1], EVENTS[3], *late)]
    assert follower.err == []


def test_following_begins_now(log: Harness, running: Any) -> None:
    numbers = itertools.count()

    def happens() -> list[str]:
        log.fill(Commit("support", events=(recorded(f"late {next(numbers)}", time=NOW),)))
        return follower.out

    with running("events", "--follow", "--json") as follower:
        wait_until(happens)
        assert follower.stop(signal.SIGINT) == 0
    late = {recorded(f"late {number}", time=NOW).id for number in range(next(numbers))}
    assert {one["id"] for one in json_lines("".join(follower.out))} <= late


@pytest.mark.parametrize("options", ["--json", ""])
def test_a_reader_that_has_seen_enough_is_no_error(log: Harness, options: str) -> None:
    many = tuple(recorded(f"many {number}") for number in range(500))
    log.fill(Commit("support", events=many))  # more than a pipe holds
    command = f"{sys.executable} -m watcher events {options}"
    pipe = f"{{ {command}; echo $? >&2; }} | head -n 1"
    environ = {**os.environ, "INBOX_WATCHER_CONFIG": str(log.config)}
    done = subprocess.run(
        ["sh", "-c", pipe], env=environ, capture_output=True, text=True, check=True
    )
    assert EVENTS[0].id[:12] in done.stdout
    assert done.stderr == "0\n"
