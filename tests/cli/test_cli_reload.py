"""`reload` and SIGHUP: the real program takes up a changed configuration, or refuses it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from tests.cli.harness import TOKEN, Harness, wait_until

MORE = "  - {name: Once more, when: conversation.archived, notify: crm}\n"


def test_the_command_takes_up_a_new_rule_and_says_so(harness: Harness, running: Any) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        harness.write(more=MORE)
        told = harness.run("reload")
        assert told.exit_code == 0, told.stderr
        assert told.stdout.splitlines() == [
            "sources: as before",
            "receivers: as before",
            "rules: added Once more",
            "silences: as before",
        ]
        with harness.config.open("a") as file:
            file.write(
                "silences:\n  - {name: Move, match: 'true', reason: moving, until: 2100-01-01}\n"
            )
        assert harness.run("reload").stdout.splitlines()[2:] == [
            "rules: as before",
            "silences: added Move",
        ]
        assert daemon.stop(signal.SIGTERM) == 0


def test_a_hangup_does_the_same_and_the_daemon_goes_on(harness: Harness, running: Any) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        harness.write(more=MORE)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("added Once more")
        harness.world.message(harness.account.conversations["1"], "Still watched?")
        wait_until(lambda: harness.receiver.got)
        assert daemon.stop(signal.SIGTERM) == 0


def test_a_broken_configuration_is_refused_by_the_command_and_by_a_hangup(
    harness: Harness, running: Any
) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        harness.write(more="    colour: red\n")
        told = harness.run("reload")
        assert told.exit_code == 2
        assert f"{harness.config}:16:" in told.stderr
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("the new configuration is refused; the old goes on")
        harness.world.message(harness.account.conversations["1"], "Still watched?")
        wait_until(lambda: harness.receiver.got)
        assert daemon.stop(signal.SIGTERM) == 0
    assert TOKEN not in "".join(daemon.err)


def test_what_only_the_daemon_sees_is_wrong_is_refused_by_the_daemon(
    harness: Harness, running: Any
) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        harness.config.write_text(
            harness.config.read_text().replace("CHAT_TOKEN", "NOT_SET_ANYWHERE")
        )
        told = harness.run("reload")
        assert told.exit_code == 2
        assert "NOT_SET_ANYWHERE is not set" in told.stderr
        assert "error: the daemon refused the configuration and keeps the old one" in told.stderr
        assert daemon.stop(signal.SIGTERM) == 0


def test_without_a_daemon_there_is_nothing_to_reload(harness: Harness, tmp_path: Path) -> None:
    told = harness.run("reload")
    assert told.exit_code == 1
    assert f"error: no daemon is running on {harness.store}" in told.stderr
