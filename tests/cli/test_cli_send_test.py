"""`send-test`: a marked sample through the receiver's own notifier."""

from __future__ import annotations

import re
import signal
from typing import Any

from tests.cli.harness import SECRET_PATH, Harness, dead, wait_until


def test_send_test_sends_a_marked_sample_and_shows_the_answer(harness: Harness) -> None:
    results = [harness.run("send-test", "crm") for _ in range(2)]
    assert [result.exit_code for result in results] == [0, 0]
    assert results[0].stdout.startswith("crm: ok after ")
    assert results[0].stdout.endswith("HTTP 200\n    thanks\n")
    assert [event["data"]["test"] for event in harness.receiver.got] == [True, True]
    assert len({event["id"] for event in harness.receiver.got}) == 2
    assert not harness.store.exists()


def test_send_test_fails_with_what_the_other_side_said(harness: Harness) -> None:
    harness.receiver.status = 500
    result = harness.run("send-test", "crm")
    assert result.exit_code == 1
    assert "crm: failed after" in result.stdout
    assert result.stdout.endswith("HTTP 500\n    no\n")
    assert SECRET_PATH not in result.output


def test_send_test_shows_the_beginning_of_the_answer_without_what_it_quotes(
    harness: Harness,
) -> None:
    harness.receiver.status = 422
    harness.receiver.says = (
        f'{{\n  "error": "no lead",\n  "you": "{SECRET_PATH} hush-7"\n}}' + "x" * 600
    )
    harness.write(
        receivers=f"  web: {{type: webhook, url: '{harness.hook}', headers: {{X-Key: hush-7}}}}\n"
    )
    result = harness.run("send-test", "web")
    assert result.exit_code == 1
    first, *rest = result.stdout.splitlines()
    assert first.startswith("web: refused after")
    assert rest[:2] == ["    {", '      "error": "no lead",']
    assert SECRET_PATH not in result.output
    assert "hush-7" not in result.output
    assert sum(map(len, rest)) < 600


def test_send_test_sends_what_the_receiver_may_see(harness: Harness) -> None:
    harness.write(receivers=f"  web: {{type: webhook, url: '{harness.hook}', payload: thin}}\n")
    assert harness.run("send-test", "web").exit_code == 0
    (event,) = harness.receiver.got
    assert event["data"]["test"] is True
    assert event["data"]["conversation"] == {"id": "inbox-watcher-test"}


def test_send_test_reaches_apprise_receivers_through_apprise(harness: Harness) -> None:
    target = harness.hook.replace("http://", "json://")
    harness.write(receivers=f"  team: {{type: apprise, url: '{target}'}}\n")
    result = harness.run("send-test", "team")
    assert result.exit_code == 0, result.output
    assert harness.receiver.got[0]["title"].startswith("Test: ")


def off(harness: Harness) -> bool:
    """Return whether the receiver is off, as `status` tells."""
    lines = harness.run("status").stdout.splitlines()
    return any(re.match(r"crm +.*\boff\b", line) for line in lines)


def test_send_test_turns_a_receiver_on_again(harness: Harness, running: Any) -> None:
    assert harness.run("run", "--once").exit_code == 0
    harness.receiver.status = 410
    harness.world.message(harness.account.conversations["1"], "Hello?")
    assert harness.run("run", "--once").exit_code == 1
    assert off(harness)
    assert harness.run("send-test", "crm").exit_code == 1
    assert off(harness)
    with running("run") as daemon:
        daemon.wait_for("watching")
        harness.receiver.status = 200
        harness.receiver.got.clear()
        result = harness.run("send-test", "crm")
        assert "turned on again" in result.stdout, result.output
        wait_until(lambda: any("test" not in event["data"] for event in harness.receiver.got))
        assert daemon.stop(signal.SIGTERM) == 0
    assert not off(harness)


def test_send_test_turns_on_in_the_store_when_no_daemon_runs(harness: Harness) -> None:
    assert harness.run("run", "--once").exit_code == 0
    harness.receiver.status = 410
    harness.world.message(harness.account.conversations["1"], "Hello?")
    harness.run("run", "--once")
    harness.receiver.status = 200
    assert "turned on again" in harness.run("send-test", "crm").stdout
    assert harness.ask(lambda store: store.receivers())["crm"].off == ""


def test_send_test_without_a_daemon_needs_the_secrets_of_the_receiver_alone(
    harness: Harness,
) -> None:
    harness.write(
        receivers=f"  web: {{type: webhook, url: '{harness.hook}', headers: {{X-Key: '${{WEB_KEY}}'}}}}\n"
    )
    assert harness.run("send-test", "crm", secrets=False).exit_code == 0
    assert len(harness.receiver.got) == 1
    refused = harness.run("send-test", "web", secrets=False)
    assert refused.exit_code == 2
    assert "WEB_KEY is not set" in refused.stderr
    assert "CHAT_TOKEN" not in refused.stderr


def test_send_test_goes_through_the_daemon_and_needs_no_secrets_then(
    harness: Harness, running: Any
) -> None:
    harness.environ["WEB_KEY"] = "known-to-the-daemon-only"
    web = f"  web: {{type: webhook, url: '{harness.hook}', headers: {{X-Key: '${{WEB_KEY}}'}}}}\n"
    harness.write(receivers=web)
    with running("run") as daemon:
        daemon.wait_for("watching")
        result = harness.run("send-test", "web", secrets=False)
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("web: ok by the daemon, after ")
        assert result.stdout.endswith("HTTP 200\n    thanks\n")
        assert [event["data"]["test"] for event in harness.receiver.got] == [True]
        wrong = harness.run("send-test", "wep", secrets=False)
        assert wrong.exit_code == 2
        assert "did you mean 'web'?" in wrong.stderr
        # One that the file has, and the daemon not yet, is tried from here before the reload.
        harness.write(receivers=web + f"  new: {{type: webhook, url: '{harness.hook}'}}\n")
        assert "new: ok after" in harness.run("send-test", "new", secrets=False).stdout
        assert daemon.stop(signal.SIGTERM) == 0


def test_send_test_sends_although_something_else_in_the_file_is_wrong(harness: Harness) -> None:
    harness.fill()
    harness.config.write_text(harness.config.read_text() + "retenton: {events: 7d}\n")
    result = harness.run("send-test", "crm")
    assert result.exit_code == 0, result.output
    assert "warning: the configuration is not valid" in result.stderr


def test_send_test_without_a_daemon_says_what_hides_the_receiver(harness: Harness) -> None:
    harness.fill(dead("one"))
    harness.config.write_text(f"store: {harness.store}\nreceivers: {{crm: [\n")
    result = harness.run("send-test", "crm")
    assert result.exit_code == 2
    assert "not valid YAML" in result.stderr.splitlines()[-1]
    assert "there is no receiver" not in result.stderr


def test_a_receiver_that_nobody_knows_names_each_other_one_once(
    harness: Harness, running: Any
) -> None:
    with running("run") as daemon:
        daemon.wait_for("watching")
        result = harness.run("send-test", "nowhere")
    assert result.exit_code == 2
    assert result.output.count("crm") == 1
