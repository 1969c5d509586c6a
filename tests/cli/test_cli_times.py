"""Times in options and tables: in the configured zone, else in the machine's; JSON stays in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.harness import Harness, json_lines
from watcher.cli import app
from watcher.cli.times import machine_zone, read_span
from watcher.daemon.sample import sample
from watcher.records import Commit
from watcher.settings.calendar import format_moment, parse_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 9, 15, tzinfo=UTC)
"""A quarter past ten in Berlin."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "Z")


@pytest.mark.parametrize(
    ("since", "until", "start", "end"),
    [
        ("2h", None, "2026-11-30 07:15", None),
        ("1d", "12h", "2026-11-29 09:15", "2026-11-29 21:15"),
        ("now", None, "2026-11-30 09:15", None),
        ("09:30", None, "2026-11-30 08:30", None),
        ("10:15", None, "2026-11-30 09:15", None),
        ("10:16", None, "2026-11-29 09:16", None),
        ("8:05:30", None, "2026-11-30 07:05:30", None),
        ("22:00", "23:00", "2026-11-29 21:00", "2026-11-29 22:00"),
        ("22:00", "02:00", "2026-11-29 21:00", "2026-11-30 01:00"),
        (None, "10:00", None, "2026-11-30 09:00"),
        ("today", None, "2026-11-29 23:00", None),
        ("yesterday", "yesterday", "2026-11-28 23:00", "2026-11-29 23:00"),
        ("2026-11-20", "2026-11-21", "2026-11-19 23:00", "2026-11-21 23:00"),
        ("2026-07-01 12:00", None, "2026-07-01 10:00", None),
        ("2026-11-20T12:00", "2026-11-20T13:00Z", "2026-11-20 11:00", "2026-11-20 13:00"),
        ("2026-11-20 12:00:01+05:30", None, "2026-11-20 06:30:01", None),
        (None, None, None, None),
    ],
)
def test_times_are_read_as_a_person_means_them(
    since: str | None, until: str | None, start: str | None, end: str | None
) -> None:
    wanted = tuple(utc(text) if text else None for text in (start, end))
    assert read_span(since, until, zone=BERLIN, now=NOW) == wanted


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("2 hours", None, "--since '2 hours' is not a time; did you mean 2h?"),
        ("noon", None, "write 2h, 09:30, yesterday, 2026-11-30"),
        ("25:00", None, "is not a time"),
        ("10:00:99", None, "is not a time"),
        ("2026-13-01", None, "is not a time"),
        ("9999999d", None, "is not a time"),
        ("9999-12-31", "9999-12-31", "is not a time"),
        ("1h", "2h", "--until 2h is not later than --since 1h"),
        (None, "tomorow", "--until 'tomorow' is not a time"),
    ],
)
def test_what_is_no_time_is_refused_with_what_to_write(
    since: str | None, until: str | None, said: str
) -> None:
    with pytest.raises(typer.BadParameter, match="is not") as refused:
        read_span(since, until, zone=BERLIN, now=NOW)
    assert said in refused.value.message


@given(
    st.integers(-500_000_000, 5_000_000_000).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    st.sampled_from(["Europe/Berlin", "UTC", "Asia/Kathmandu", "America/New_York"]),
)
def test_a_time_that_is_shown_can_be_asked_for(at: datetime, zone: str) -> None:
    shown = format_moment(at, ZoneInfo(zone))
    assert parse_moment(shown, BERLIN) == at
    start, _ = read_span(shown, None, zone=BERLIN, now=NOW)
    assert start == at


def test_until_stands_wherever_since_does() -> None:
    root: Any = typer.main.get_command(app)
    context = root.make_context("inbox-watcher", [], resilient_parsing=True)
    every = {name: root.get_command(context, name) for name in root.list_commands(context)}
    commands = {**every}
    for name, group in every.items():
        inner = getattr(group, "commands", {})
        commands |= {f"{name} {each}": one for each, one in inner.items()}
    options = {
        name: {option for each in one.params for option in each.opts}
        for name, one in commands.items()
    }
    spans = {name for name, taken in options.items() if "--since" in taken}
    assert spans >= {"events", "deliveries list", "deliveries retry", "backtest"}
    assert all("--until" in options[name] for name in spans)


def test_without_a_configured_zone_the_machines_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for named, offset in (("Asia/Tokyo", 9), (":Asia/Tokyo", 9), ("", 0), ("no/such zone", 0)):
        monkeypatch.setenv("TZ", named)
        assert datetime(2026, 1, 1, tzinfo=machine_zone()).utcoffset() == timedelta(hours=offset)


def test_tables_have_the_configured_zone_and_json_has_utc(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    harness.fill(Commit("support", events=(sample("support", "chatwoot", NOW, "a"),)))
    assert "2026-11-30 18:15:00+09:00" in harness.run("events").stdout
    harness.config.write_text(harness.config.read_text() + "timezone: America/New_York\n")
    assert "2026-11-30 04:15:00-05:00" in harness.run("events").stdout
    (event,) = json_lines(harness.run("events", "--json").stdout)
    assert event["time"] == "2026-11-30T09:15:00.000Z"


def test_events_between_two_times_and_of_several_kinds(harness: Harness) -> None:
    hours = range(4)
    made = [sample("support", "chatwoot", NOW - timedelta(hours=h), f"{h}") for h in hours]
    harness.fill(Commit("support", events=tuple(reversed(made))))
    harness.config.write_text(harness.config.read_text() + "timezone: Europe/Berlin\n")

    def found(*options: str) -> list[int]:
        lines = json_lines(harness.run("events", "--json", *options).stdout)
        return [next(h for h in hours if made[h].id == line["id"]) for line in lines]

    day = "2026-11-30 "
    assert found("--since", day + "08:00", "--until", day + "10:00") == [2, 1]
    assert found("--until", day + "07:20") == [3]
    assert found("--type", "source.*", "--type", "conversation.unread") == [3, 2, 1, 0]
    assert found("--source", "support", "--source", "support") == [3, 2, 1, 0]
    refused = harness.run("events", "--follow", "--until", "1h")
    assert refused.exit_code == 2
    assert "leave --until out" in " ".join(refused.stderr.split())
