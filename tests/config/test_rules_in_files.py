"""Rules, what they share by name, and silences: what comes out of a right configuration, and what
is only warned of.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.harness import SOURCE, Write, read, warned
from watcher.config.compare import compare
from watcher.config.load import load
from watcher.config.model import Config
from watcher.rules import Digest, Rule, Span
from watcher.settings.calendar import format_days, parse_between, parse_days

RECEIVERS = """
receivers:
  team: {type: apprise, url: "json://localhost"}
  boss: {type: apprise, url: "json://localhost"}
"""
BERLIN = ZoneInfo("Europe/Berlin")


def config(write: Write, text: str) -> Config:
    return read(write(SOURCE + RECEIVERS + text))


def rule(write: Write, text: str, more: str = "timezone: Europe/Berlin\n") -> Rule:
    """Load one rule with further settings, each on a line of its own."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    head = "rules:\n  - name: One\n    when: conversation.unread\n    notify: [team]\n"
    (one,) = config(write, f"{more}{head}{lines}").rules
    return one


def test_a_rule_without_settings_tells_at_once_and_always(write: Write) -> None:
    assert rule(write, "") == Rule(name="One", when="conversation.unread", notify="team")


def test_repeat_and_throttle(write: Write) -> None:
    one = rule(write, "for: 15m\nrepeat: 30m\nat_most: 3\nthrottle: 10m")
    assert one.hold_for == timedelta(minutes=15)
    assert (one.repeat, one.at_most) == (timedelta(minutes=30), 3)
    assert one.throttle is not None
    assert (one.throttle.within, one.throttle.by) == (timedelta(minutes=10), None)
    by = rule(write, "throttle: {within: 1h, by: conversation.assignee.id}").throttle
    assert by is not None
    assert by.by is not None
    assert by.by.source == "conversation.assignee.id"


def test_a_digest_in_its_short_and_its_long_form(write: Write) -> None:
    assert rule(write, "digest: 15m").digest == Digest(every=timedelta(minutes=15), timezone=BERLIN)
    weekly = rule(write, 'digest: {at: ["17:00", "9:00"], days: mon, timezone: UTC}').digest
    assert weekly == Digest(at=(time(9), time(17)), timezone="UTC", days=frozenset({0}))
    by = rule(write, "digest: {every: 1h, at: 09:30, by: source}").digest
    assert by is not None
    assert (by.every, by.at) == (timedelta(hours=1), (time(9, 30),))
    assert by.by is not None


def test_hours_with_one_and_with_several_windows(write: Write) -> None:
    text = (
        "hours: {days: mon-fri, between: 09:00-18:00, timezone: America/New_York, otherwise: drop}"
    )
    hours = rule(write, text).hours
    assert hours is not None
    assert hours.spans == (Span(frozenset(range(5)), 540, 1080),)
    assert (hours.timezone, hours.otherwise) == (ZoneInfo("America/New_York"), "drop")
    text = """
hours:
  windows:
    - {days: mon-fri, between: ["09:00-12:00", "13:00-18:00"]}
    - {days: [sat, sun], between: 22:00-06:00}
  otherwise: boss
"""
    hours = rule(write, text.strip()).hours
    assert hours is not None
    assert (hours.timezone, hours.otherwise) == (BERLIN, "boss")
    assert hours.spans == (
        Span(frozenset(range(5)), 540, 720),
        Span(frozenset(range(5)), 780, 1080),
        Span(frozenset({5, 6}), 1320, 1800),
    )


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", {0}),
        ("Mon-Fri", {0, 1, 2, 3, 4}),
        ("fri-mon", {4, 5, 6, 0}),
        ("sat, sun", {5, 6}),
        ("monday-wednesday,sunday", {0, 1, 2, 6}),
        ("mon-sun", {0, 1, 2, 3, 4, 5, 6}),
        ("sun-sat", {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_days(text: str, days: set[int]) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize(
    "text", ["", "mo", "mon-", "-fri", "mon-fri-sun", "t", "montag", "mon,,tue"]
)
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match="day of the week"):
        parse_days(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("09:00-18:00", (540, 1080)),
        ("9:05 - 18:00", (545, 1080)),
        ("00:00-24:00", (0, 1440)),
        ("22:00-06:00", (1320, 1800)),
        ("18:00-00:00", (1080, 1440)),
        ("18:00-24:00", (1080, 1440)),
    ],
)
def test_spans(text: str, span: tuple[int, int]) -> None:
    assert parse_between(text) == span


@pytest.mark.parametrize(
    "text",
    ["", "09:00", "09:00-", "9-18", "09:00-09:00", "24:00-01:00", "09:60-10:00", "٠٩:00-10:00"],
)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match=r"is|begins"):
        parse_between(text)


def test_stop_unless_and_severity(write: Write) -> None:
    one = rule(write, "stop: true\nseverity: critical\nunless: conversation.archived")
    assert (one.stop, one.severity) == (True, "critical")
    assert one.unless is not None
    assert one.unless.source == "conversation.archived"


SHARED = """
timezone: UTC
conditions:
  vip: '"vip" in conversation.labels'
  waiting: conversation.unread && !conditions.vip
templates:
  short: {title: "{{ type }}"}
  long: {title: "{{ source }}", body: "{{ conversation.url }}"}
  list: {body: "{{ events | length }}"}
"""


def test_conditions_and_templates_are_named(write: Write) -> None:
    loaded = config(
        write,
        SHARED
        + """
silences:
  - name: Import
    match: conditions.waiting && receiver == "boss"
    reason: nightly
    hours: {between: 02:00-03:00}
rules:
  - name: Named
    when: conversation.unread
    where: conditions.waiting
    message: long
    notify: team
  - name: Own words
    when: conversation.unread
    message:
      template: short
      body: own
      per_receiver: {boss: long, team: {title: for the team}}
    notify: [team, boss]
  - {name: List, when: conversation.*, digest: 1h, message: list, notify: boss}
""",
    )
    named, own, collected = loaded.rules
    assert named.where is not None
    assert named.where.names == {"waiting", "vip"}
    assert named.message.words_for("team")[:2] == ("{{ source }}", "{{ conversation.url }}")
    assert own.message.words_for("boss")[:2] == ("{{ source }}", "{{ conversation.url }}")
    assert own.message.words_for("team")[:2] == ("for the team", "own")
    assert own.message.words[:2] == ("{{ type }}", "own")
    assert collected.message.words_for("boss")[:2] == (None, "{{ events | length }}")
    (silence,) = loaded.silences
    assert (silence.name, silence.reason, silence.starts, silence.ends) == (
        "Import", "nightly", None, None,
    )  # fmt: skip
    assert silence.lasts(datetime(2026, 11, 20, 2, 30, tzinfo=UTC))
    assert not silence.lasts(datetime(2026, 11, 20, 3, 0, tzinfo=UTC))
    (warning,) = loaded.warnings
    assert "no rule tells of source.failing" in warning.message


def test_words_say_what_they_are_written_in(write: Write) -> None:
    loaded = config(
        write,
        """
templates:
  page: {title: "<b>{{ type }}</b>", format: html}
  short: {title: "{{ type }}"}
rules:
  - {name: Default, when: "*", notify: [team, boss], message: {body: "{{ type }}"}}
  - name: Own
    when: "*"
    notify: [team, boss]
    message:
      body: "*{{ type }}*"
      format: markdown
      per_receiver: {team: page, boss: {title: x}}
  - {name: Named, when: "*", notify: [team, boss], message: {template: page, per_receiver: {boss: short}}}
""",
    )
    formats = {
        one.name: tuple(one.message.words_for(receiver).format for receiver in ("team", "boss"))
        for one in loaded.rules
    }
    assert formats == {
        "Default": (None, None),
        "Own": ("html", "markdown"),
        "Named": ("html", None),
    }


def test_a_date_alone_is_a_whole_day_on_the_clock_there(write: Write) -> None:
    loaded = config(
        write,
        """
timezone: Europe/Berlin
silences:
  - {name: Days, match: "true", reason: holidays, from: 2026-12-24, until: 2026-12-26}
  - {name: Times, match: "true", reason: move, from: "2026-12-24 18:00", until: "2026-12-25T06:00Z"}
rules:
  - {name: All, when: "*", notify: [team, boss]}
""",
    )
    days, times = loaded.silences
    assert days.starts == datetime(2026, 12, 23, 23, 0, tzinfo=UTC)
    assert days.ends == datetime(2026, 12, 26, 23, 0, tzinfo=UTC)
    assert times.starts == datetime(2026, 12, 24, 17, 0, tzinfo=UTC)
    assert times.ends == datetime(2026, 12, 25, 6, 0, tzinfo=UTC)


def test_what_nothing_names_and_what_can_never_match_is_warned_of(write: Write) -> None:
    said = warned(
        write(
            SOURCE
            + RECEIVERS
            + SHARED
            + """
silences:
  - {name: For good, match: rule == "All", reason: why not}
rules:
  - {name: All, when: "conversation.*", notify: [team, boss], stop: true}
  - {name: Narrow, when: conversation.unread, notify: team}
  - {name: Wide, when: [conversation.unread, source.failing], notify: team}
  - {name: Named, when: source.failing, where: 'conditions.vip', notify: team}
"""
        )
    )
    assert [one.split(": ", 1)[1].split(" (")[0] for one in said] == [
        "nothing names the condition `waiting`",
        "no rule names the template `short`",
        "no rule names the template `long`",
        "no rule names the template `list`",
        "the silence `For good` never ends",
        "`when`: people get two messages for each new one of a customer: of `conversation.message`"
        " and of `conversation.unread`",
        "the rule `Narrow` can never match: `stop` of the rule `All` ends the evaluation before",
    ]


def test_hours_without_a_time_zone_are_in_utc_and_that_is_said(write: Write) -> None:
    said = warned(
        write(
            SOURCE
            + RECEIVERS
            + """
rules:
  - {name: All, when: [conversation.unread, source.*], notify: [team, boss], hours: {between: 09:00-18:00}}
"""
        )
    )
    assert len(said) == 1
    assert "has no time zone, so UTC counts" in said[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "sent at once to team"),
        ("for: 15m", "sent to team if the state lasts 15m"),
        (
            "repeat: 30m\nat_most: 1",
            "sent at once to team; repeated every 30m while the state lasts, at most once",
        ),
        (
            "throttle: 10m",
            "sent at once to team; at most one message every 10m for each conversation",
        ),
        (
            "throttle: {within: 1h30m, by: source}",
            "sent at once to team; at most one message every 1h30m for each source",
        ),
        ("digest: 15m", "collected for team: one message every 15m (Europe/Berlin)"),
        (
            "digest: {at: ['09:00', '17:30'], days: [mon, thu-sat], by: source, timezone: UTC}",
            "collected for team: one message for each source at 09:00, 17:30 on mon,thu-sat (UTC)",
        ),
        (
            "hours: {days: mon-fri, between: '09:00-18:00'}",
            "sent at once to team; only mon-fri 09:00-18:00 (Europe/Berlin),"
            " otherwise held until the next opening",
        ),
        (
            "hours: {windows: [{days: 'sat,sun', between: ['22:00-06:00', '10:00-24:00']}], otherwise: boss}",
            "sent at once to team; only sat,sun 22:00-06:00 and sat,sun 10:00-24:00 (Europe/Berlin),"
            " otherwise sent to boss",
        ),
        (
            "for: 20m\nresolved: true",
            "sent to team if the state lasts 20m; and once more when it is over, to those who were told",
        ),
        (
            "hours: {between: '08:00-20:00', otherwise: digest}",
            "sent at once to team; only 08:00-20:00 (Europe/Berlin),"
            " otherwise held, and sent as one message at the next opening",
        ),
        (
            "repeat: 1h\nexisting: true",
            "sent at once to team; repeated every 1h while the state lasts; what holds already counts, too",
        ),
        (
            "unless: |\n  conversation.unread &&\n    conversation.archived\nseverity: info\nstop: true",
            "unless conversation.unread && conversation.archived; sent at once to team; severity info;"
            " later rules are skipped",
        ),
    ],
)
def test_a_rule_is_told_in_words(write: Write, text: str, words: str) -> None:
    assert rule(write, text).describe() == f"conversation.unread; {words}"


KEYS = {
    "where": "conversation.unread", "unless": "conversation.archived", "for": "15m",
    "repeat": "30m", "at_most": 2, "resolved": True,
    "existing": True, "throttle": "10m", "digest": "1h",
    "hours": {"between": "09:00-18:00"}, "severity": "info", "stop": True,
}  # fmt: skip
"""A value of each key that decides when something is sent."""


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("when: conversation.assigned\n    for: 5m", True),
        ("when: [conversation.assigned, conversation.unread]\n    repeat: 5m", True),
        ("when: [conversation.assigned, conversation.reassigned]\n    for: 5m", False),
        ("when: conversation.assigned", False),
    ],
)
def test_a_wait_for_an_owner_that_ends_when_it_is_handed_on_is_warned_of(
    tmp_path: Path, text: str, warns: bool
) -> None:
    file = tmp_path / "inbox.yaml"
    file.write_text(
        "sources: {desk: {provider: chatwoot, account_id: 3, token: not-a-real-token}}\n"
        "receivers: {crm: {type: webhook, url: 'http://127.0.0.1/'}}\n"
        f"rules:\n  - name: Slow\n    {text}\n    notify: crm\n"
    )
    found = [one for one in load([file], environ={}).warnings if "handed on" in one.message]
    assert [(one.line, one.column) for one in found] == ([(5, 5)] if warns else [])


def test_every_key_is_described() -> None:
    keys = {info.alias or name for name, info in Rule.model_fields.items()}
    assert keys - KEYS.keys() == {"name", "when", "notify", "message"}
    least = {"name": "One", "when": "conversation.unread", "notify": "team"}
    for key, value in KEYS.items():
        more = {"repeat": "30m"} if key in ("at_most", "resolved", "existing") else {}
        without = Rule(**least, **more).describe()
        assert Rule(**least, **more, **{key: value}).describe() != without, key


@given(st.frozensets(st.integers(0, 6), min_size=1))
def test_days_are_written_as_they_are_read(days: frozenset[int]) -> None:
    assert parse_days(format_days(days)) == days


def test_time_zones_are_there_where_the_system_has_none() -> None:
    program = "from watcher.settings.calendar import parse_zone; print(parse_zone('Europe/Berlin'))"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "Europe/Berlin\n", run.stderr


EVERYTHING = """
conditions: {vip: '"vip" in conversation.labels'}
templates: {short: {title: "{{ type }}"}}
silences:
  - {name: Night, match: receiver == "boss", reason: quiet, hours: {between: 22:00-06:00}}
rules:
  - name: All
    when: conversation.unread
    where: conditions.vip && conversation.unread
    for: 15m
    throttle: {within: 10m, by: source}
    hours: {between: 09:00-18:00, otherwise: boss}
    message: {template: short, per_receiver: {boss: {body: x}}}
    notify: team
  - {name: List, when: "*", digest: {every: 1h, by: type}, notify: boss}
"""


def test_a_rule_that_is_loaded_again_is_the_same_and_one_in_another_zone_is_not(
    write: Write,
) -> None:
    berlin = config(write, f"timezone: Europe/Berlin\n{EVERYTHING}")
    again = config(write, f"timezone: Europe/Berlin\n{EVERYTHING}")
    utc = config(write, f"timezone: UTC\n{EVERYTHING}")
    assert not compare(berlin.rules, again.rules)
    assert not compare(berlin.silences, again.silences)
    assert compare(berlin.rules, utc.rules).changed == ("All", "List")
    assert compare(berlin.silences, utc.silences).changed == ("Night",)
    renamed = EVERYTHING.replace('"vip" in', '"new" in')
    other = config(write, f"timezone: UTC\n{renamed}")
    assert compare(utc.rules, other.rules).changed == ("All",)
