"""`run` as a real process: against sockets, signals and a second daemon."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

import watcher
from tests.cli.harness import SECRET_PATH, TOKEN, Harness, json_lines, wait_until
from watcher.model import rfc3339
from watcher.records import DeliveryQuery, EventQuery
from watcher.simulator import Conversation
from watcher.store.sqlite import read_lock

WHSEC = "whsec_bm90LWEtcmVhbC1zZWNyZXQtYXQtYWxs"


def one(harness: Harness) -> Conversation:
    """Return one of the account's conversations."""
    return harness.account.conversations["1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_daemon_delivers_and_a_signal_ends_it_with_status_0(
    harness: Harness, running: Any, number: signal.Signals
) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        harness.world.message(one(harness), "Is the blue one in stock?")
        wait_until(lambda: harness.receiver.got)
        assert daemon.stop(number) == 0
    assert harness.receiver.got[0]["subject"] == "1"
    said = "".join(daemon.out + daemon.err)
    assert '"stopped"' in said
    assert not any(word in said for word in ("Traceback", TOKEN, SECRET_PATH, "blue one"))
    assert read_lock(harness.store) is None


def test_a_second_daemon_is_refused_in_two_lines(harness: Harness, running: Any) -> None:
    with running("run") as first:
        first.wait_for("watching")
        with running("run") as second:
            assert second.end() == 1
        told = [line for line in second.err if not line.startswith("{")]
        assert len(told) == 2, told
        assert "in use by another inbox-watcher" in told[0]
        assert told[1].startswith("help: ")
        assert first.stop(signal.SIGTERM) == 0


def test_an_address_that_is_taken_is_told_with_its_name(harness: Harness, running: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        harness.write(server=f"{{listen: '{address}'}}")
        with running("run") as daemon:
            assert daemon.end() == 1
    assert f"error: {address} cannot be listened on" in "".join(daemon.err)
    assert "Traceback" not in "".join(daemon.err)


def test_a_broken_configuration_exits_2_before_anything_begins(
    harness: Harness, running: Any
) -> None:
    harness.write(more="    colour: red\n")
    with running("run") as daemon:
        assert daemon.end() == 2
    assert f"{harness.config}:16:" in "".join(daemon.err)
    assert not harness.store.exists()


def test_a_store_that_cannot_be_is_a_failure_in_words(harness: Harness) -> None:
    harness.store = Path("/nowhere/at/all.db")
    harness.write()
    result = harness.run("run", "--once")
    assert result.exit_code == 1
    assert "error: the directory /nowhere/at does not exist" in result.stderr
    assert "help: create it or change `store`" in result.stderr


def test_a_port_in_use_says_by_whom_and_what_to_change(harness: Harness, running: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = harness.config.read_text()
        harness.config.write_text(
            text.replace("server: false", f"server: {{listen: '127.0.0.1:{port}'}}")
        )
        with running("run") as daemon:
            assert daemon.end() == 1
    said = "".join(daemon.err)
    assert f"127.0.0.1:{port} cannot be listened on" in said
    assert "another process listens there, perhaps another inbox-watcher" in said
    assert "choose `server.listen`" in said


def test_warnings_are_logged_once(harness: Harness) -> None:
    harness.write(receivers=f"  spare: {{type: webhook, url: '{harness.hook}'}}\n")
    result = harness.run("run", "--once")
    assert result.exit_code == 0, result.output
    warnings = [line for line in json_lines(result.stderr) if line["level"] == "warning"]
    assert [("spare" in line["problem"]) for line in warnings] == [False, True]


def test_once_reads_the_baseline_then_delivers_then_has_nothing_to_do(harness: Harness) -> None:
    assert harness.run("run", "--once").exit_code == 0
    assert harness.receiver.got == []
    harness.world.message(one(harness), "Hello?")
    assert harness.run("run", "--once").exit_code == 0
    assert {event["subject"] for event in harness.receiver.got} == {"1"}
    count = len(harness.receiver.got)
    assert harness.run("run", "--once").exit_code == 0
    assert len(harness.receiver.got) == count


def test_once_says_in_one_line_what_it_did(harness: Harness) -> None:
    first = harness.run("run", "--once").stdout.splitlines()
    assert first == ["1 source read; 1 event; 0 delivered"]
    harness.world.message(one(harness), "Hello?")
    second = harness.run("run", "--once").stdout.splitlines()
    recorded = len(harness.ask(lambda store: store.events(EventQuery()))) - 1
    assert second == [f"1 source read; {recorded} events; {len(harness.receiver.got)} delivered"]
    assert harness.run("run", "--once").stdout == "1 source read; 0 events; 0 delivered\n"


def test_once_saves_its_look_although_nothing_has_changed(harness: Harness) -> None:
    assert harness.run("run", "--once").exit_code == 0
    (before,) = harness.ask(lambda store: store.sources())
    assert harness.run("run", "--once").exit_code == 0
    (after,) = harness.ask(lambda store: store.sources())
    assert after.polled > (before.polled or before.swept)
    shown = json_lines(harness.run("status", "--json").stdout)[1]
    assert shown["last_look"] == rfc3339(after.polled)


def test_once_exits_1_when_a_source_failed_and_says_why(harness: Harness) -> None:
    harness.environ["CHAT_TOKEN"] = "some-other-token"
    result = harness.run("run", "--once")
    assert result.exit_code == 1
    assert "some-other-token" not in result.output
    (line,) = result.stdout.splitlines()
    assert line.startswith("0 sources read, not support: Chatwoot does not accept the token (")


def test_once_exits_1_when_a_receiver_failed(harness: Harness) -> None:
    harness.run("run", "--once")
    harness.receiver.status = 500
    harness.world.message(one(harness), "Hello?")
    result = harness.run("run", "--once")
    assert result.exit_code == 1
    assert SECRET_PATH not in result.output
    (line,) = result.stdout.splitlines()
    assert line.startswith("1 source read; ")
    assert line.endswith("1 failed (crm: HTTP 500)")
    told = [line for line in result.stderr.splitlines() if not line.startswith("{")]
    assert told[0] == "error: the pass failed in part (crm)"
    assert told[1].startswith("help: ")


def test_the_first_lines_of_the_log_say_what_runs_and_where(harness: Harness, running: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    harness.write(server=f"{{listen: '{address}'}}")
    with running("run") as daemon:
        daemon.wait_for("watching")
        assert daemon.stop(signal.SIGTERM) == 0
    lines = json_lines("".join(daemon.err))
    starting = lines[0]
    assert list(starting)[:3] == ["timestamp", "event", "level"]
    assert starting["event"] == "starting"
    assert starting["version"] == watcher.__version__
    assert starting["configuration"] == str(harness.config)
    assert starting["store"] == str(harness.store)
    (watching,) = [line for line in lines if line["event"] == "watching"]
    assert watching["listening"] == address
    assert watching["control"] == f"{harness.store}.sock"


@pytest.mark.parametrize("where", ["before", "after"])
def test_the_form_of_the_log_is_chosen(harness: Harness, where: str) -> None:
    chosen = ("--log-format", "text")
    words = (*chosen, "run", "--once") if where == "before" else ("run", "--once", *chosen)
    first = harness.run(*words).stderr.splitlines()[0]
    assert not first.startswith("{")
    assert "starting" in first
    assert "\x1b" not in first  # no colours where no terminal is
    chosen_json = harness.run("run", "--once", "--log-format", "json").stderr
    assert json_lines(chosen_json)[0]["event"] == "starting"
    assert harness.run("run", "--log-format", "xml").exit_code == 2


def test_a_dry_run_says_a_request_in_a_line_and_its_body_on_wish(harness: Harness) -> None:
    harness.write(
        receivers=f"  web: {{type: webhook, url: '{harness.hook}', secret: {WHSEC}}}\n",
        more="  - {name: Web, when: conversation.unread, notify: web}\n",
    )
    harness.run("run", "--once")
    harness.world.message(one(harness), "Hello?")
    result = harness.run("run", "--once", "--dry-run")
    lines = [line for line in result.stdout.splitlines() if line.startswith("would send")]
    host = harness.hook.removesuffix(SECRET_PATH)
    (web,) = [line for line in lines if " to web " in line]
    start = f"would send conversation.unread to web by the rule 'Web': POST {host}"
    assert web.startswith(start)
    assert re.search(r", signed, 1\.\d kB$", web)
    assert all(", not signed, " in line for line in lines if " to crm " in line)
    assert '"specversion"' not in result.stdout
    assert "would be sent, nothing is saved" in result.stdout.splitlines()[-1]
    assert SECRET_PATH not in result.output
    verbose = harness.run("run", "--once", "--dry-run", "--verbose").stdout
    assert verbose.count('"specversion"') == len(lines)
    assert harness.run("run", "--verbose").exit_code == 2


def test_a_dry_run_cuts_a_long_text_unless_all_is_asked_for(harness: Harness) -> None:
    harness.write(
        receivers="  team: {type: apprise, url: 'json://127.0.0.1:9/'}\n",
        more="  - name: Tell\n    when: conversation.unread\n    notify: team\n"
        "    message: {title: Long, body: '{{ \"line\\n\" * 50 }}'}\n",
    )
    harness.run("run", "--once")
    harness.world.message(one(harness), "Hello?")
    short = harness.run("run", "--once", "--dry-run").stdout
    assert "more lines (--verbose)" in short
    assert short.count("    line") == 18
    assert harness.run("run", "--once", "--dry-run", "--verbose").stdout.count("    line") == 50


def test_a_dry_run_shows_what_would_go_out_and_neither_sends_nor_saves(harness: Harness) -> None:
    harness.run("run", "--once")
    before = harness.ask(lambda store: store.events(EventQuery()))
    harness.world.message(one(harness), "Is the blue one in stock?")
    first = harness.run("run", "--once", "--dry-run")
    assert first.exit_code == 0, first.output
    assert (
        "would send conversation.unread to crm by the rule 'Everything to the CRM'" in first.stdout
    )
    assert "Is the blue one in stock?" in first.stdout
    assert harness.receiver.got == []
    assert harness.ask(lambda store: store.events(EventQuery())) == before
    assert harness.ask(lambda store: store.deliveries(DeliveryQuery())) == []
    second = harness.run("run", "--once", "--dry-run")
    assert second.stdout.count("would send") == first.stdout.count("would send") > 0


def test_a_dry_run_shows_texts_to_receivers_of_texts(harness: Harness) -> None:
    harness.write(
        receivers="  team: {type: apprise, url: 'json://127.0.0.1:9/'}\n",
        more="  - name: Tell\n    when: conversation.unread\n    notify: team\n"
        "    message: {title: 'New: {{ conversation.contact.name }}', body: Look}\n",
    )
    harness.run("run", "--once")
    harness.world.message(one(harness), "Hello?")
    result = harness.run("run", "--once", "--dry-run")
    name = one(harness).state.contact.name
    assert "would send conversation.unread to team by the rule 'Tell':" in result.stdout
    assert f"    New: {name}\n    Look\n" in result.stdout


def test_a_dry_run_of_a_watcher_that_never_ran_leaves_no_file(harness: Harness) -> None:
    result = harness.run("run", "--once", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "source.baselined" in result.stdout
    assert [path.name for path in harness.folder.iterdir()] == ["watcher.yaml"]


def test_a_dry_run_works_beside_the_daemon_until_a_signal(harness: Harness, running: Any) -> None:
    with running("run", "--dry-run") as rehearsal:
        rehearsal.wait_for("baseline done")  # a copy of the daemon's store would have one already
        with running("run") as daemon:
            daemon.wait_for("baseline done")
            beside = harness.run("run", "--once", "--dry-run")
            assert beside.exit_code == 0, beside.output
            assert "baseline done" not in beside.output, (
                "it begins from a copy of the daemon's store"
            )
            harness.world.message(one(harness), "Hello?")
            rehearsal.wait_for("would send conversation.unread to crm")
            wait_until(lambda: harness.receiver.got)
            assert rehearsal.stop(signal.SIGTERM) == 0
            assert daemon.stop(signal.SIGTERM) == 0
    ids = [event["id"] for event in harness.receiver.got]
    assert len(ids) == len(set(ids))


def test_an_internal_error_is_one_line_and_the_traceback_on_wish(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError(f"the token is {TOKEN}")

    monkeypatch.setattr("watcher.daemon.serving.run", broken)
    quiet = harness.run("run")
    assert quiet.exit_code == 1
    assert "internal error: RuntimeError" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    loud = harness.run("run", "--log-level", "debug")
    assert "Traceback" in loud.stderr
    assert TOKEN not in quiet.output + loud.output
