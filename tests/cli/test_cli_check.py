"""`check`: every mistake with its place, and what the providers say about the tokens."""

from __future__ import annotations

import contextlib
import re
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.cli.harness import SECRET_PATH, TOKEN, Harness
from watcher.clock import wall_clock
from watcher.simulator import Fault, Faults, chatwoot, faults
from watcher.store.sqlite.schema import APPLICATION_ID
from watcher.web import bind


def test_a_good_configuration_is_counted_and_the_store_named(harness: Harness) -> None:
    result = harness.run("check")
    assert result.exit_code == 0, result.output
    plan, needs, rule, verdict = result.stdout.splitlines()
    assert needs.startswith("all sources: about ")
    assert needs.endswith("for 1,000 conversations and 200 events a day (as a guess)")
    assert verdict == f"ok: 1 source, 1 receiver, 1 rule; the store will be {harness.store}"
    assert plan.startswith("support (chatwoot): this source will use about ")
    assert rule == "rule 1, Everything to the CRM: conversation.*; sent at once to crm"


def test_the_people_of_a_source_are_named(harness: Harness) -> None:
    text = harness.config.read_text()
    start = text.index("    provider: chatwoot")
    few = "    people: {u1: Ben, u2: Ana}\n"
    harness.config.write_text(text[:start] + few + text[start:])
    shown = harness.run("check").stdout.splitlines()
    assert shown[0] == "support (chatwoot): names 2 people by id: Ana, Ben"
    many = "    people: {" + ", ".join(f"u{n}: P{n:02}" for n in range(12)) + "}\n"
    harness.config.write_text(text[:start] + many + text[start:])
    assert "names 12 people by id: P00, " in harness.run("check").stdout
    assert ", P09 and 2 more" in harness.run("check").stdout


def test_the_plan_is_for_each_thousand_until_somebody_has_counted(harness: Harness) -> None:
    plan = (
        "about {} of 180,000 requests an hour: {} polls of 1, 4 sweeps of {} for {} conversations"
    )
    guessed = harness.run("check", "--no-secrets", secrets=False).stdout
    assert plan.format("3,772", "3,604", 41, "every 1,000") in guessed
    assert plan.format("3,608", "3,600", 1, "4") in harness.run("check", "--online").stdout
    assert harness.run("run", "--once").exit_code == 0
    assert plan.format("3,608", "3,600", 1, "4") in harness.run("check").stdout


def others(stderr: str) -> list[str]:
    """Return the lines but for the warning that every rule of these tests is about conversations."""
    lines = [line for line in stderr.splitlines() if "no rule tells of source.failing" not in line]
    assert len(lines) == len(stderr.splitlines()) - 1
    return lines


def test_an_interval_that_cannot_be_met_is_warned_of_with_one_that_fits(harness: Harness) -> None:
    harness.write_sources(
        "  support:\n    provider: leadping\n    token: ${CHAT_TOKEN}\n    page_size: 2\n"
        "    sweep_every: 1m\n",
    )
    result = harness.run("check")
    assert result.exit_code == 0, result.output
    line = " ".join(others(result.stderr))
    assert line.startswith(
        f"warning: {harness.config}:8:18: the source `support`: polls and sweeps ask"
    )
    assert "about 30,180 requests an hour" in line
    assert "but only 13,680 are available" in line
    assert "`sweep_every: 5m` for `support` would fit" in line
    again = harness.config.read_text().replace("sweep_every: 1m", "sweep_every: 5m")
    harness.config.write_text(again)
    assert others(harness.run("check").stderr) == []


def test_sources_that_share_a_limit_are_added_up(harness: Harness) -> None:
    one = "provider: leadping, token: 'a-token-of-mine', organization: acme, poll_every: 1s"
    harness.write_sources("".join(f"  {name}: {{{one}}}\n" for name in ("a", "b", "c")))
    result = harness.run("check")
    assert result.stdout.count("; 10,932 with ") == 3
    assert "a (leadping): this source will use about 3,644 of 18,000 requests" in result.stdout
    assert "with b, c, which share this limit" in result.stdout


def test_rules_and_silences_are_told_in_words_and_what_is_over_is_warned_of(
    harness: Harness,
) -> None:
    harness.write(
        more="""  - name: Nobody has answered
    when: conversation.waiting
    where: conversation.channel == "sms"
    for: 15m
    repeat: 1h
    at_most: 3
    notify: crm
    stop: true
  - {name: Never, when: conversation.waiting, for: 2h, notify: crm}
silences:
  - {name: Old, match: "true", reason: the move, from: 2020-01-01, until: 2020-01-02}
timezone: Europe/Berlin
"""
    )
    result = harness.run("check")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[3:-1] == [
        "rule 2, Nobody has answered: conversation.waiting;"
        ' where conversation.channel == "sms"; sent to crm if the state lasts 15m;'
        " repeated every 1h while the state lasts, at most 3 times; later rules are skipped",
        "rule 3, Never: conversation.waiting; sent to crm if the state lasts 2h",
        "silence, Old: no messages where true; from 2020-01-01 00:00:00+01:00;"
        " until 2020-01-03 00:00:00+01:00; because: the move",
    ]
    (warning,) = others(result.stderr)
    assert warning.startswith(f"warning: {harness.config}:")
    assert "the silence `Old` ended on 2020-01-03 00:00:00+01:00" in warning


def test_every_mistake_is_told_with_its_place_on_stderr(harness: Harness) -> None:
    harness.write(more="    colour: red\n  - {name: Two, when: nothing.such, notify: nobody}\n")
    result = harness.run("check")
    assert (result.exit_code, result.stdout) == (2, "")
    *lines, verdict = result.stderr.splitlines()
    assert len(lines) == 3
    assert verdict == "error: 3 mistakes in the configuration"
    assert all(line.startswith(f"{harness.config}:1") for line in lines), lines
    assert "Traceback" not in result.stderr


def test_a_missing_variable_is_named_and_left_out_on_wish(harness: Harness) -> None:
    result = harness.run("check", secrets=False)
    assert result.exit_code == 2
    assert "CHAT_TOKEN" in result.stderr
    assert harness.run("check", "--no-secrets", secrets=False).exit_code == 0


def test_a_file_that_is_not_there_is_a_mistake_not_a_traceback(harness: Harness) -> None:
    result = harness.run("check", "--config", str(harness.folder / "nowhere.yaml"))
    assert result.exit_code == 2
    assert "nowhere.yaml" in result.stderr


def test_warnings_are_told_and_change_nothing(harness: Harness) -> None:
    harness.write(receivers=f"  spare: {{type: webhook, url: '{harness.hook}'}}\n")
    result = harness.run("check")
    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert "spare" in result.stderr


def newer(store: Path) -> None:
    with contextlib.closing(sqlite3.connect(store)) as database:
        database.executescript(
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 999;"
            " CREATE TABLE sources (name TEXT);"
        )


def foreign(store: Path) -> None:
    with contextlib.closing(sqlite3.connect(store)) as database:
        database.executescript("CREATE TABLE songs (name TEXT);")


@pytest.mark.parametrize(
    ("name", "prepare", "cause", "remedy"),
    [
        ("no/such/a.db", str, "the store's folder {folder}/no/such does not exist", "create it"),
        ("taken", Path.mkdir, "the store {store} is not a file", "change `store`"),
        ("newer.db", newer, "{store} was written by a newer inbox-watcher (schema 999,", "install"),
        ("songs.db", foreign, "{store} is a database of another program", "choose another path"),
        (
            "letter.db",
            lambda store: store.write_text("Dear Ann, " * 50),
            "the store {store} is no SQLite database",
            "move it away",
        ),
    ],
)
def test_a_store_that_run_would_refuse_is_said_and_nothing_is_touched(
    harness: Harness, name: str, prepare: Callable[[Path], object], cause: str, remedy: str
) -> None:
    harness.store = harness.folder / name
    harness.write()
    prepare(harness.store)
    before = sorted(harness.folder.iterdir())
    result = harness.run("check")
    assert result.exit_code == 1
    *_, said, what = result.stderr.splitlines()
    expected = cause.format(folder=harness.folder, store=harness.store)
    assert said.startswith(f"error: `run` would not start here: {expected}")
    assert what.startswith(f"help: {remedy}")
    assert "ok:" not in result.output
    assert sorted(harness.folder.iterdir()) == before
    assert harness.run("run", "--once").exit_code == 1
    # In CI another machine looks.
    assert harness.run("check", "--no-secrets").exit_code == 0


def test_a_daemon_that_runs_is_no_obstacle(harness: Harness, running: Any) -> None:
    with contextlib.closing(bind("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    harness.write(server=f"{{listen: '127.0.0.1:{port}'}}")
    with running("run") as daemon:
        daemon.wait_for("watching")
        assert harness.run("check").exit_code == 0
        daemon.stop(signal.SIGTERM)
    assert harness.run("check").stdout.splitlines()[-1].endswith(f"the store is {harness.store}")


@pytest.mark.parametrize("key", ["listen", "probes"])
def test_a_port_in_use_is_said_as_run_would(harness: Harness, key: str) -> None:
    with contextlib.closing(bind("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = "listen: '127.0.0.1:0', " if key == "probes" else ""
        harness.write(server=f"{{{other}{key}: '127.0.0.1:{port}'}}")
        result = harness.run("check")
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-2:] == [
            f"error: `run` would not start here: 127.0.0.1:{port} cannot be listened on:"
            " Address already in use",
            "help: another process listens there, perhaps another inbox-watcher:"
            " choose `server.listen`",
        ]
    assert harness.run("check").exit_code == 0


def test_a_configuration_that_tells_nobody_of_trouble_is_warned_of(harness: Harness) -> None:
    said = harness.run("check").stderr
    assert f"warning: {harness.config}:1:1: no rule tells of source.failing: " in said
    assert "add a rule with `when: [source.failing, source.recovered]`" in said
    harness.write(more="  - {name: Trouble, when: [source.*], notify: crm}\n")
    assert harness.run("check").stderr == ""


def test_apprise_looks_at_its_urls_and_none_is_shown(harness: Harness) -> None:
    urls = "['json://127.0.0.1/', 'slack://short-secret']"
    harness.write(receivers=f"  team: {{type: apprise, urls: {urls}}}\n")
    result = harness.run("check")
    assert result.exit_code == 2, result.output
    line, verdict = result.stderr.splitlines()
    assert verdict == "error: 1 mistake in the configuration"
    assert line.startswith(f"{harness.config}:12:53: ")
    assert "2. URL of the receiver `team`" in line
    assert "short-secret" not in result.output


def test_a_bad_url_is_told_at_its_own_line(harness: Harness) -> None:
    harness.write(
        receivers="  team:\n    type: apprise\n    limit: 5/1m\n    urls:\n"
        "      - json://127.0.0.1/\n      - slak://a/b/c\n"
        "  boss:\n    type: apprise\n    url: json://127.0.0.1/?formt=text\n"
    )
    first, second, _ = harness.run("check").stderr.splitlines()
    assert first.startswith(
        f"{harness.config}:17:9: the 2. URL of the receiver `team` is not usable"
    )
    assert "slak:// is no service that Apprise knows; did you mean slack://?" in first
    assert second.startswith(
        f"{harness.config}:20:10: the URL of the receiver `boss` is not usable"
    )
    assert "json:// has no parameter `formt`; did you mean `format`?" in second


def test_a_mask_hides_no_words_of_ours(harness: Harness) -> None:
    harness.environ["CHAT_TOKEN"] = "sent"
    harness.write(
        receivers="  team: {type: apprise, url: slack}\n  two: {type: webhook, url: http}\n"
    )
    said = harness.run("check").stderr
    assert "`url` is not an Apprise URL (write one such as slack://…, mailto://…" in said
    assert "`url` is not an http:// or https:// URL (write https://host/path)" in said
    harness.write()
    assert "conversation.*; sent at once to crm" in harness.run("check").stdout


def test_what_a_provider_says_is_masked_whole(harness: Harness) -> None:
    async def echo(request: Request) -> Response:
        return JSONResponse({"error": f"who is {request.headers['api-access-token']}?"}, 404)

    harness.environ["CHAT_TOKEN"] = "tiny"
    harness.chat = harness.serve(Starlette(routes=[Route("/{path:path}", echo)]))
    harness.write()
    result = harness.run("check", "--online")
    assert "who is ***?" in result.stdout


def test_apprise_looks_at_its_urls_beside_other_mistakes(harness: Harness) -> None:
    harness.write(
        receivers="  team: {type: apprise, url: 'slack://short-secret'}\n"
        "  wrong: {type: apprise, url: 'slack://another-secret', colour: red}\n"
        "  unset: {type: apprise, url: '${NOT_SET_AT_ALL}'}\n",
        more="  - {name: Two, when: nothing.such, notify: team}\n",
    )
    result = harness.run("check")
    assert (result.exit_code, result.stdout) == (2, "")
    *said, _ = result.stderr.splitlines()
    lines = [line.removeprefix(f"{harness.config}:") for line in said]
    assert [line.split(": ")[0] for line in lines] == ["12:30", "13:57", "14:32", "19:23"], lines
    assert "the URL of the receiver `team` is not usable" in lines[0]
    assert "short-secret" not in result.stderr
    assert "another-secret" not in result.stderr
    assert "not usable" not in harness.run("check", "--no-secrets").stderr


def test_online_a_token_that_works_is_ok(harness: Harness) -> None:
    result = harness.run("check", "--online")
    assert result.exit_code == 0, result.output
    assert "support (chatwoot): ok" in result.stdout


def test_online_the_servers_version_is_shown_with_what_it_cannot_tell(harness: Harness) -> None:
    shown = harness.run("check", "--online").stdout.splitlines()
    assert any(
        re.fullmatch(r"support \(chatwoot\): ok, .* s; version 4\.15\.1", one) for one in shown
    )
    assert (
        "support (chatwoot): version 4.15.1: an edited or deleted message moves no time stamp: it waits"
        " for the next sweep"
    ) in shown
    harness.world.install(harness.account, (2, 16, 0))
    shown = harness.run("check", "--online").stdout.splitlines()
    assert any(one.endswith("; version 2.16.0") for one in shown)
    assert "support (chatwoot): version 2.16.0: priorities are not shown" in shown


@pytest.mark.parametrize(("off", "words"), [(-86_400, "1d behind"), (600, "10m ahead of")])
def test_online_a_servers_clock_that_is_off_is_told(
    harness: Harness, off: float, words: str
) -> None:
    assert "provider's clock" not in harness.run("check", "--online").stdout
    harness.world.set_clock(harness.account, off)
    shown = harness.run("check", "--online").stdout
    assert (
        f"support (chatwoot): the provider's clock is {words} this machine's (its server says so)"
        in shown
    )
    assert "set the clock that is wrong (NTP)" in shown


@pytest.mark.parametrize("answer", [faults.status(404), faults.status(401), faults.html(403)])
def test_online_a_version_that_a_proxy_hides_is_no_trouble(harness: Harness, answer: Fault) -> None:
    hiding = Faults(chatwoot.app(harness.world), wall_clock)
    hiding.plan(answer, lambda seen: seen.path == "/api")
    harness.chat = harness.serve(hiding)
    harness.write()
    result = harness.run("check", "--online")
    assert result.exit_code == 0, result.output
    assert "support (chatwoot): ok" in result.stdout
    assert not any(
        "; version" in line or ": version" in line for line in result.stdout.splitlines()
    )


def test_online_a_refused_token_fails_with_reason_and_remedy(harness: Harness) -> None:
    harness.environ["CHAT_TOKEN"] = "some-other-token"
    result = harness.run("check", "--online")
    assert result.exit_code == 1
    assert "support (chatwoot): " in result.stdout
    assert "token" in result.stdout
    *_, verdict, where = result.stderr.splitlines()
    assert verdict == "error: 1 of 1 source cannot be read: support"
    assert where == "help: the lines above say why"
    assert "ok:" not in result.output
    assert "some-other-token" not in result.output


def test_online_a_provider_that_is_not_there_fails_in_words(harness: Harness) -> None:
    harness.chat = "http://127.0.0.1:9"
    harness.write()
    result = harness.run("check", "--online")
    assert result.exit_code == 1
    assert "127.0.0.1" in result.stdout
    assert not any(secret in result.output for secret in (TOKEN, SECRET_PATH, "Traceback"))


def test_each_file_is_read_once(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.write(
        receivers="  team: {type: apprise, url: 'slack://short-secret'}\n"
        "  wrong: {type: apprise, url: 'json://127.0.0.1/', colour: red}\n",
        more="silences:\n  - {name: Old, match: 'true', reason: the move, until: 2020-01-01}\n",
    )
    opened: list[Path] = []
    as_before = Path.open

    def counting(self: Path, *given: Any, **named: Any) -> Any:
        opened.append(self)
        return as_before(self, *given, **named)

    monkeypatch.setattr(Path, "open", counting)
    result = harness.run("check")
    assert "URL of the receiver `team`" in result.stderr
    assert "unknown key `colour`" in result.stderr
    assert opened.count(harness.config) == 1
