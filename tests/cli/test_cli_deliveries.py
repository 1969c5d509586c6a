"""`deliveries`: what is owed and was given up, and sending it again."""

from __future__ import annotations

import json
import signal
import sqlite3
from datetime import timedelta
from typing import Any

import anyio
import pytest

from tests.cli.harness import NOW, SECRET_PATH, Harness, dead, json_lines, wait_until
from watcher import control
from watcher.records import Commit, DeliveryQuery, HistoryEntry, Settlement
from watcher.store.sqlite import SqliteStore


def test_deliveries_are_listed_for_people_and_programs(harness: Harness) -> None:
    harness.fill()
    assert "no deliveries" in harness.run("deliveries").stderr
    harness.fill(dead("a"), dead("b", receiver="team"), dead("c", state="pending"))
    table = harness.run("deliveries", "--state", "dead").stdout.splitlines()
    assert len(table) == 3
    assert "HTTP 500: no" in table[1]
    lines = json_lines(harness.run("deliveries", "--json", "--receiver", "crm").stdout)
    assert [line["state"] for line in lines] == ["dead", "pending"]
    assert lines[0]["attempts"] == 10
    assert len(json_lines(harness.run("deliveries", "--json", "--limit", "1").stdout)) == 1


@pytest.mark.parametrize("by", ["id", "key", "all"])
def test_retry_without_a_daemon_makes_dead_deliveries_pending(harness: Harness, by: str) -> None:
    first, second = dead("a"), dead("b")
    harness.fill(first, second)
    (owed,) = first.deliveries
    wanted = {"id": owed.id, "key": owed.key, "all": "--all-dead"}[by]
    result = harness.run("deliveries", "retry", wanted, secrets=False)
    assert result.exit_code == 0, result.output
    pending = harness.ask(lambda store: store.deliveries(DeliveryQuery(state="pending")))
    assert owed.id in {one.id for one in pending}
    assert len(pending) == (2 if by == "all" else 1)
    assert result.stdout.startswith(f"{len(pending)} deliver")


def test_retry_of_what_is_not_dead_fails_and_says_where_to_look(harness: Harness) -> None:
    harness.fill(dead("a", state="pending"))
    result = harness.run("deliveries", "retry", "no-such-id")
    assert result.exit_code == 1
    assert "no dead delivery has the id no-such-id" in result.stderr
    assert "--state dead" in result.stderr


def test_the_configuration_may_stand_before_or_after_retry(harness: Harness) -> None:
    harness.fill(dead("a"))
    harness.config.rename(harness.folder / "other.yaml")
    harness.config = harness.folder / "elsewhere.yaml"
    other = ("--config", str(harness.folder / "other.yaml"))
    assert harness.run("deliveries", *other, "retry", "--all-dead").exit_code == 0
    assert harness.run("deliveries", "retry", "--all-dead", *other).exit_code == 0


def test_retry_asks_the_running_daemon_which_sends_at_once(harness: Harness, running: Any) -> None:
    harness.fill(dead("a"))
    with running("run") as daemon:
        daemon.wait_for("watching")
        result = harness.run("deliveries", "retry", "--all-dead")
        assert (result.exit_code, result.stdout) == (0, "1 delivery is to be sent again\n")
        assert wait_until(lambda: harness.receiver.got)[0]["data"]["test"] is True
        assert daemon.stop(signal.SIGTERM) == 0


def test_an_order_that_waits_for_the_store_says_so_and_is_carried_out_later(
    harness: Harness, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.fill(dead("a"))
    with running("run") as daemon:
        daemon.wait_for("watching")
        other = sqlite3.connect(harness.store, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        daemon.wait_for("the store fails")
        monkeypatch.setattr(control, "ANSWERED_WITHIN", 0.5)
        result = harness.run("deliveries", "retry", "--all-dead")
        assert result.exit_code == 1
        assert (
            "error: the daemon accepted the command but is waiting for its store" in result.stderr
        )
        assert "help: another program holds it: close that one" in result.stderr
        assert harness.receiver.got == []
        other.execute("ROLLBACK")
        other.close()
        wait_until(lambda: harness.receiver.got)
        assert daemon.stop(signal.SIGTERM) == 0


def attempt(harness: Harness, commit: Commit, *entries: tuple[str, int, str], state: Any) -> str:
    """Let attempts end with these notes, statuses and excerpts; gives the delivery's id."""
    (owed,) = commit.deliveries
    harness.fill(commit)

    async def settle() -> None:
        store = await SqliteStore.open(harness.store, owner="test")
        try:
            for number, (note, status, excerpt) in enumerate(entries, 1):
                await store.claim("crm", NOW, lease=timedelta(seconds=9), limit=9)
                entry = HistoryEntry(owed.key, NOW, "attempt", note, number, status, excerpt, 0.25)
                last = state if number == len(entries) else "pending"
                due = NOW if last == "pending" and number < len(entries) else LATER
                await store.settle(
                    [Settlement(owed.key, number, last, due, note, None, entry=entry)]
                )
        finally:
            await store.close()

    anyio.run(settle)
    return owed.id


LATER = NOW + timedelta(hours=2)
FAILED = ("HTTP 500: {", 500, '{\n  "error": "no such lead"\n}')


def test_show_tells_request_answers_and_attempts(harness: Harness) -> None:
    more = "headers: {X-Team: sales, X-Api-Key: hush-1, X-Other: '${CHAT_TOKEN}'}"
    hook = f"{{type: webhook, url: '{harness.hook}', "
    hook += f"secret: whsec_bm90IGEgcmVhbCBzZWNyZXQgYXQgYWxsLCBub25l, {more}}}"
    harness.config.write_text(
        harness.config.read_text().replace("{type: webhook, url: '" + harness.hook + "'}", hook)
    )
    id_ = attempt(harness, dead("a", state="pending", attempt=0, settled=None, note=""),
                  ("connection refused", 0, ""), FAILED, state="dead")  # fmt: skip
    result = harness.run("deliveries", "show", id_, secrets=False)
    assert result.exit_code == 0, result.output
    out = result.stdout
    assert f"delivery {id_} to crm" in out
    assert "POST http://127.0.0.1:" in out
    assert "webhook-signature: v1,…" in out
    assert "x-team: sales" in out
    assert "x-api-key: ***" in out
    assert "x-other: ${CHAT_TOKEN}" in out
    assert '"type": "conversation.unread"' in out
    assert "attempt 1, 0.25 s: connection refused" in out
    assert "attempt 2, 0.25 s: HTTP 500: {" in out
    assert '    |   "error": "no such lead"' in out
    for secret in ("hush", SECRET_PATH, "bm90IGEgcmVhbCBz"):
        assert secret not in out


def test_show_for_programs_has_the_body_as_it_was_sent(harness: Harness) -> None:
    assert harness.run("run", "--once").exit_code == 0
    harness.world.message(harness.account.conversations["1"], "Hello?")
    assert harness.run("run", "--once").exit_code == 0
    sent = {event["id"]: event for event in harness.receiver.got}
    id_ = next(iter(sent))
    (line,) = json_lines(harness.run("deliveries", "show", "--json", id_).stdout)
    assert json.loads(line["sent"]["body"]) == sent[id_]
    assert line["sent"]["body"].encode() in harness.receiver.bodies
    assert line["sent"]["headers"]["webhook-id"] == id_
    assert line["state"] == "delivered"


def test_show_finds_by_event_and_by_key_and_says_what_it_does_not_find(harness: Harness) -> None:
    first, second = dead("a"), dead("a", receiver="team")
    harness.fill(
        Commit("support", events=first.events, deliveries=(*first.deliveries, *second.deliveries))
    )
    (one,), (other,) = first.deliveries, second.deliveries
    both = harness.run("deliveries", "show", one.event.id).stdout
    assert f"delivery {one.id} to crm" in both
    assert f"delivery {other.id} to team" in both
    assert "no longer configured" in both
    assert len(json_lines(harness.run("deliveries", "show", "--json", other.key).stdout)) == 1
    missing = harness.run("deliveries", "show", "nothing")
    assert missing.exit_code == 1
    assert "no delivery has the id nothing" in missing.stderr


def test_show_gives_texts_what_the_receiver_may_see(harness: Harness) -> None:
    harness.write(receivers="  team: {type: apprise, url: 'json://a', redact: [contact.name]}\n")
    (owed,) = dead("a", receiver="team").deliveries
    harness.fill(dead("a", receiver="team"))
    out = harness.run("deliveries", "show", owed.id).stdout
    assert "message (with today's templates)" in out
    assert "New message from" in out
    assert "Inbox Watcher Test" not in out.partition("message (with")[2]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (("--receiver", "crm"), "ab"),
        (("--rule", "Other"), "c"),
        (("--type", "conversation.*"), "abc"),
        (("--type", "source.*"), ""),
        (("--since", "1h"), "bc"),
        (("--since", "1h", "--receiver", "crm"), "b"),
        (("--state", "pending"), "d"),
        (("--state", "dead"), "abc"),
        ((), "abcdef"),
    ],
)
def test_filters_choose_what_is_listed_and_sent_again(
    harness: Harness, filters: tuple[str, ...], ids: str
) -> None:
    commits = {
        "a": dead("a", created=NOW - timedelta(hours=3)),
        "b": dead("b"),
        "c": dead("c", receiver="team", rule="Other"),
        "d": dead("d", state="pending", attempt=3, due=LATER, settled=None),
        "e": dead("e", state="pending", attempt=0, due=LATER, settled=None),
        "f": dead("f", state="delivered"),
    }
    harness.fill(*commits.values())
    by_id = {commit.deliveries[0].id: mark for mark, commit in commits.items()}
    chosen = filters if "--state" in filters or not filters else (*filters, "--state", "dead")
    listed = json_lines(harness.run("deliveries", "--json", *chosen).stdout)
    names = "".join(sorted(by_id[line["id"]] for line in listed))
    assert names == (ids if filters != ("--state", "pending") else "de")
    if filters:
        result = harness.run("deliveries", "retry", *filters)
        assert result.exit_code == 0, result.output
        told = result.stdout if ids else result.stderr
        assert told.startswith(f"{len(ids)} deliver" if ids else "nothing to send again")
        pending = harness.ask(lambda store: store.deliveries(DeliveryQuery(state="pending")))
        due = {by_id[one.id] for one in pending if one.due < LATER}
        assert due == set(ids)


@pytest.mark.parametrize("arguments", [(), ("x", "--all-dead"), ("--all-dead", "--since", "1h")])
def test_retry_wants_one_way_of_choosing(harness: Harness, arguments: tuple[str, ...]) -> None:
    harness.fill()
    result = harness.run("deliveries", "retry", *arguments)
    assert result.exit_code == 2
    assert "name ids, filters or both; or --all-dead" in " ".join(result.stderr.split())


def test_retry_tells_what_was_due_already_and_that_there_is_nothing(harness: Harness) -> None:
    nothing = harness.run("deliveries", "retry", "--all-dead")
    assert (nothing.exit_code, nothing.stdout) == (0, ""), nothing.output
    assert nothing.stderr == "nothing to send again\n"
    due = dead("a", state="pending", attempt=2, due=NOW - timedelta(hours=1), settled=None)
    harness.fill(due, dead("b"))
    ids = [commit.deliveries[0].id for commit in (due, dead("b"))]
    told = harness.run("deliveries", "retry", *ids).stdout.splitlines()
    assert told == ["1 delivery is to be sent again", "1 delivery is due already"]
    assert harness.run("deliveries", "retry", ids[0]).stdout == "1 delivery is due already\n"


def test_retry_of_one_that_waits_for_its_first_time_is_refused(harness: Harness) -> None:
    waits = dead("a", state="pending", attempt=0, settled=None, due=LATER)
    harness.fill(waits)
    assert harness.run("deliveries", "retry", waits.deliveries[0].id).exit_code == 1


def test_every_attempt_of_what_a_receiver_may_see_has_the_same_bytes(harness: Harness) -> None:
    shown = (
        "{type: webhook, url: '" + harness.hook + "', redact: [contact.name, last_message.text]}"
    )
    harness.write(
        receivers=f"  web: {shown}\n", more="  - {name: W, when: conversation.*, notify: web}\n"
    )
    assert harness.run("run", "--once").exit_code == 0
    harness.world.message(harness.account.conversations["1"], "the text of a person")
    harness.receiver.status = 503
    harness.receiver.says = "busy, come back"
    assert harness.run("run", "--once").exit_code == 1
    first = sorted(harness.receiver.bodies)
    harness.receiver.bodies.clear()
    harness.receiver.status = 200
    waiting = len(json_lines(harness.run("deliveries", "--json", "--state", "pending").stdout))
    result = harness.run("deliveries", "retry", "--state", "pending")
    assert result.stdout.startswith(f"{len(first)} deliver"), result.output
    assert harness.run("run", "--once").exit_code == 0
    assert set(first) < set(harness.receiver.bodies)
    assert len(harness.receiver.bodies) == waiting
    redacted = [body for body in harness.receiver.bodies if b'"redacted"' in body]
    assert redacted
    assert not any(b"the text of a person" in body for body in redacted)
    (line,) = json_lines(
        harness.run("deliveries", "show", "--json", json.loads(redacted[0])["id"] + "/web").stdout
    )
    assert [(one["kind"], one["status"], one["excerpt"]) for one in line["history"]] == [
        ("attempt", 503, "busy, come back"), ("retried", None, ""), ("attempt", 200, "busy, come back"),
    ]  # fmt: skip


def test_show_of_a_digest_has_all_that_waits_for_it_or_went_out_with_it(harness: Harness) -> None:
    waits: dict[str, Any] = {"state": "pending", "attempt": 0, "settled": None, "due": LATER}
    digest: dict[str, Any] = {"kind": "digest", "batch": "Everything|crm|12:00"}
    one, other = dead("a", **waits, **digest), dead("b", **waits, **digest)
    went, along = (dead(mark, kind="digest", batch="x", message="the-digest") for mark in "cd")
    harness.fill(one, other, went, along, dead("e", **waits, kind="digest", batch="another"))
    for asked, both in ((one.deliveries[0].id, (one, other)), ("the-digest", (went, along))):
        (line,) = json_lines(harness.run("deliveries", "show", "--json", asked).stdout)
        body = json.loads(line["sent"]["body"])
        assert body["type"] == "watcher.digest"
        assert [each["id"] for each in body["data"]["events"]] == [c.events[0].id for c in both]
        known = line["sent"]["headers"]["webhook-id"]
        assert known == (
            "the-digest" if asked == "the-digest" else "(given when the digest goes out)"
        )
