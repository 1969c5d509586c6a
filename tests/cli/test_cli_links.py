"""`links`: the key is renewed or revoked, with who did it; one of the configuration is not ours."""

from __future__ import annotations

from tests.cli.harness import Harness

URL = "{public_url: 'https://watcher.example.com'%s}"


def test_links_are_renewed_and_revoked_without_a_daemon(harness: Harness) -> None:
    harness.write(server=URL % "")
    assert harness.run("run", "--once").exit_code == 0
    first = harness.ask(lambda store: store.link_keys())
    assert "work on" in harness.run("links", "renew").stdout
    renewed = harness.ask(lambda store: store.link_keys())
    assert renewed[1:] == first
    assert "works any more" in harness.run("links", "revoke").stdout
    (last,) = harness.ask(lambda store: store.link_keys())
    assert last not in renewed
    done = [one.action.what for one in harness.ask(lambda store: store.actions())]
    assert done == ["revoke links", "renew links"]


def test_a_key_of_the_configuration_is_changed_there(harness: Harness) -> None:
    harness.write(server=URL % ", links: {key: 0123456789abcdefghijklmnopqrstuvwxyz}")
    assert harness.run("run", "--once").exit_code == 0
    result = harness.run("links", "renew")
    assert result.exit_code == 1
    assert "server.links.key" in result.stderr
    assert harness.ask(lambda store: store.link_keys()) == ()


def test_what_is_shown_of_a_message_acts_on_nothing(harness: Harness) -> None:
    harness.write(server=URL % "")
    assert harness.run("run", "--once").exit_code == 0
    harness.world.message(harness.account.conversations["1"], "hello")
    assert harness.run("run", "--once").exit_code == 0
    sent = [one["data"]["links"]["ack"] for one in harness.receiver.got]
    shown = harness.run("deliveries", "show", harness.receiver.got[0]["id"], "--json").stdout
    assert "https://watcher.example.com/do/" in shown
    assert not any(link in shown for link in sent)
