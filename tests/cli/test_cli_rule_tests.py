"""`test`: what rule tests say, what they find, and how they tell it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from watcher.cli import app

CONFIG = """
sources: {sales: {provider: leadping, token: "${NOWHERE_SET}"}}
receivers:
  team: {type: apprise, url: "${NOR_THIS}"}
  crm: {type: webhook, url: "${NOR_THAT}"}
rules:
  - {name: unread, when: conversation.unread, notify: team}
  - {name: nobody, when: conversation.unread, for: 15m, repeat: 30m, at_most: 2, notify: team}
  - {name: archived, when: conversation.archived, notify: crm}
  - {name: trouble, when: source.failing, notify: team}
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write a file of tests beside the configuration and run it."""
    (tmp_path / "watch.yaml").write_text(CONFIG)

    def write_and_run(tests: str, *arguments: str) -> Result:
        (tmp_path / "watch.test.yaml").write_text(tests)
        return CliRunner().invoke(app, ["test", *(arguments or (str(tmp_path),))])

    return write_and_run


def one(events: str, expect: str, more: str = "") -> str:
    return f"tests:\n  - name: it\n{more}    events:\n{events}\n    expect:\n{expect}\n"


UNREAD = "      - {at: 0s, conversation: {id: 1, contact: {name: Jane}, unread: true}}"
TOLD = "      - {at: 0s, receiver: team, contains: Jane}"


def test_what_is_expected_and_sent_passes(run: Run) -> None:
    expect = f"""{TOLD}
      - {{at: 15m, receiver: team, rule: nobody}}
      - {{at: 45m, receiver: team, rule: nobody}}
      - {{at: 75m, receiver: team, rule: nobody}}"""
    result = run(one(UNREAD, expect))
    assert result.exit_code == 0, result.stdout + result.stderr
    assert result.stdout.endswith("1 passed, 0 failed\n")


@pytest.mark.parametrize(
    ("step", "sent"),
    [
        ("{at: 10m, type: conversation.read, conversation: {id: 1}}", 1),
        ("{at: 10m, conversation: {id: 1, unread: false}}", 1),
        ("{at: 10m, conversation: {id: 1}, ack: true}", 1),
        ("{at: 10m, type: conversation.removed, conversation: {id: 1}}", 1),
        ("{at: 10m, conversation: {id: 2, unread: true}}", 8),
        ("{at: 20m, type: conversation.read, conversation: {id: 1}}", 2),
    ],
)
def test_the_state_of_a_conversation_ends_what_waits(run: Run, step: str, sent: int) -> None:
    result = run(one(f"{UNREAD}\n      - {step}", "      []"))
    assert result.exit_code == 1
    assert result.stdout.count("      + ") == sent


ENDS = """
sources: {sales: {provider: leadping, token: "${NOWHERE_SET}"}}
receivers: {team: {type: apprise, url: "${NOR_THIS}"}}
templates:
  both: {title: "{% if resolved %}done: {{ resolved.reason }}{% else %}slow{% endif %}"}
rules:
  - {name: own, when: conversation.unread, for: 10m, resolved: true, notify: team, message: both}
  - {name: blunt, when: conversation.unread, for: 20m, resolved: true, notify: team,
     message: {title: Nobody has looked}}
"""


def test_the_end_of_a_state_is_a_message_that_can_be_expected(run: Run, tmp_path: Path) -> None:
    read = "      - {at: 25m, type: conversation.read, conversation: {id: 1}}"
    expect = """      - {at: 10m, receiver: team, resolved: false, contains: slow}
      - {at: 20m, receiver: team, contains: Nobody has looked}
      - {at: 25m, receiver: team, rule: own, resolved: true, contains: "done: it was read"}
      - {at: 25m, receiver: team, rule: blunt, resolved: true, lacks: Nobody,
         contains: ["Read: Jane, after 25 minutes", "It is over: it was read (rule: blunt)."]}"""
    (tmp_path / "watch.yaml").write_text(ENDS)
    result = run(one(f"{UNREAD}\n{read}", expect))
    assert result.exit_code == 0, result.stdout + result.stderr
    result = run(one(f"{UNREAD}\n{read}", "      []"))
    assert "conversation.unread by 'own' about 1 (resolved): done: it was read" in result.stdout


def test_a_failure_shows_what_is_missing_what_is_too_much_and_what_is_otherwise(run: Run) -> None:
    expect = """      - {at: 0s, receiver: team, contains: Joan, rule: nobody}
      - {at: 1h, receiver: crm, type: conversation.archived}"""
    result = run(one(UNREAD, expect))
    assert result.exit_code == 1
    told = result.stdout
    assert "watch.test.yaml:2: it" in told
    assert "it lacks 'Joan'; it is by 'unread', not by 'nobody'" in told
    assert "-      +1h  crm  conversation.archived" in told
    assert "+     +15m  team  conversation.unread by 'nobody' about 1" in told
    assert "0 passed, 1 failed" in told


def test_the_watchers_own_events_can_be_given(run: Run) -> None:
    event = "      - {at: 5m, type: source.failing, reason: the token is refused}"
    expect = "      - {at: 5m, receiver: team, type: source.failing, contains: refused}"
    assert run(one(event, expect)).exit_code == 0


def test_times_follow_the_wall_clock_of_the_zone(run: Run) -> None:
    more = "    start: '2026-03-29 01:50'\n    timezone: Europe/Berlin\n    until: '2026-03-29 03:10'\n"
    expect = f"""{TOLD}
      - {{at: '2026-03-29 03:05', receiver: team, rule: nobody}}"""  # the clocks go forward at 2
    result = run(one(UNREAD, expect, more))
    assert result.exit_code == 0, result.stdout + result.stderr


def test_only_what_the_named_receivers_get_counts(run: Run) -> None:
    archived = "      - {at: 0s, type: conversation.archived, conversation: {id: 2}}"
    expect = "      - {at: 0s, receiver: crm}"
    both = f"{UNREAD}\n{archived}"
    assert run(one(both, expect)).exit_code == 1
    for named in ("crm", "[crm]"):
        result = run(one(both, expect, f"    receivers: {named}\n"))
        assert result.exit_code == 0, result.stdout + result.stderr
    assert run(one(both, expect, "    receivers: [crm, team]\n")).exit_code == 1


BROKEN = {
    "a receiver that does not count": (
        one(UNREAD, TOLD, "    receivers: crm\n"),
        "7:9",
        "`receivers` of the test leaves `team` out",
    ),
    "no such receiver": (
        one(UNREAD, "      []", "    receivers: [crm, tema]\n"),
        "2:5",
        "no receiver is named `tema` (receivers: team, crm)",
    ),
    "an unknown key": ("tests: []\ncolour: red\n", "2:1", "unknown key `colour`"),
    "no tests": ("tests: []\n", "1:8", "must not be empty"),
    "a misspelt field": (
        one("      - {at: 0s, conversation: {id: 1, asignee: x}}", "      []"),
        "4:40",
        "did you mean `assignee`?",
    ),
    "a value of another kind": (
        one("      - {at: 0s, conversation: {id: 1, unread: maybe}}", "      []"),
        "4:48",
        "`conversation.unread` is not right",
    ),
    "no such type": (
        one("      - {at: 0s, type: conversation.red, conversation: {id: 1}}", "      []"),
        "4:24",
        "conversation.read",
    ),
    "no time": (
        one("      - {at: soon, conversation: {id: 1}}", "      []"),
        "4:14",
        "`at` is not a time",
    ),
    "out of order": (
        one(f"      - {{at: 1h, conversation: {{id: 1}}}}\n{UNREAD}", "      []"),
        "5:9",
        "earlier than the one before it",
    ),
    "an event that cannot be": (
        one("      - {at: 0s, type: conversation.read, conversation: {id: 1}}", "      []"),
        "4:9",
        "no conversation.read comes of it (nothing changes)",
    ),
    "no such source": (
        one("      - {at: 0s, source: slaes, conversation: {id: 1}}", "      []"),
        "4:9",
        "there is no source `slaes` (configured: sales)",
    ),
    "nothing at all": ("", "1:1", "the file holds no tests"),
    "a test twice": (one(UNREAD, TOLD) + one(UNREAD, TOLD)[7:], "", "is here twice"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_is_told_with_its_place(run: Run, name: str) -> None:
    text, place, said = BROKEN[name]
    result = run(text)
    assert result.exit_code == 2, result.stdout + result.stderr
    assert f"watch.test.yaml:{place}" in result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_test_of_a_receiver_that_is_not_there_fails_as_missing(run: Run) -> None:
    result = run(one(UNREAD, "      - {at: 0s, receiver: nobody-there}"))
    assert result.exit_code == 1
    assert "nobody-there" in result.stdout


def test_one_that_cannot_be_run_stops_no_other(run: Run) -> None:
    odd = one("      - {at: 0s, type: conversation.removed, conversation: {id: 9}}", "      []")
    more = one(UNREAD, TOLD, "    until: 2026-01-05 09:01\n").replace("name: it", "name: good")
    bad = one(UNREAD, "      []").replace("name: it", "name: bad")
    result = run(odd + more.partition("\n")[2] + bad.partition("\n")[2])
    assert result.exit_code == 2
    assert "the conversation 9 is not there" in result.stderr
    assert result.stdout.endswith("1 passed, 1 failed, 1 could not be run\n")


def test_without_tests_there_is_a_way_to_write_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["test", str(tmp_path)])
    assert result.exit_code == 2
    assert "error: there are no rule tests" in result.stderr


def test_a_file_may_name_the_configuration_that_it_is_about(tmp_path: Path) -> None:
    (tmp_path / "watch.yaml").write_text(CONFIG)
    folder = tmp_path / "tests"
    folder.mkdir()
    archived = "      - {at: 0s, type: conversation.archived, conversation: {id: 1}}"
    text = one(archived, "      - {at: 0s, receiver: crm}")
    (folder / "any.test.yaml").write_text(f"rules: ../watch.yaml\n{text}")
    result = CliRunner().invoke(app, ["test", str(folder)])
    assert result.exit_code == 0, result.stdout + result.stderr


def test_without_paths_the_tests_are_those_of_the_configuration(tmp_path: Path) -> None:
    tests = one(UNREAD, f"{TOLD}\n" + "\n".join(
        f"      - {{at: {at}, receiver: team, rule: nobody}}" for at in ("15m", "45m", "75m")
    ))  # fmt: skip
    for name in ("watch", "other", "deeper/watch"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text(CONFIG)
        (tmp_path / f"{name}.test.yaml").write_text(f"rules: {Path(name).name}.yaml\n{tests}")
    (tmp_path / ".hidden.test.yaml").write_text("no tests\n")

    def ran(*arguments: str) -> list[str]:
        result = CliRunner().invoke(app, ["test", *arguments])
        assert result.exit_code == 0, result.output
        lines = [line.split() for line in result.stdout.splitlines() if line.startswith("ok")]
        return [str(Path(words[1].rstrip(":")).relative_to(tmp_path)) for words in lines]

    assert ran("-c", str(tmp_path / "watch.yaml")) == ["watch.test.yaml"]
    assert ran(str(tmp_path)) == ["other.test.yaml", "watch.test.yaml"]
    assert ran("-c", str(tmp_path)) == ["other.test.yaml", "watch.test.yaml"]
    assert ran(str(tmp_path / "deeper")) == ["deeper/watch.test.yaml"]
    assert ran(str(tmp_path / "other.test.yaml"), "-c", str(tmp_path / "watch.yaml")) == [
        "other.test.yaml"
    ]
    (tmp_path / "lone.yaml").write_text(CONFIG)
    none = CliRunner().invoke(app, ["test", "-c", str(tmp_path / "lone.yaml")])
    assert none.exit_code == 2
    assert "there are no rule tests for" in none.stderr
    assert "team.test.yaml for team.yaml" in none.stderr
