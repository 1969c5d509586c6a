"""Durations, addresses and limits, by table."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.settings.durations import format_duration, parse_duration, suggest_duration
from watcher.settings.values import Address, parse_address, parse_limit


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("1h30m", 5_400_000),
        ("7d", 604_800_000), ("0s", 0), ("1d2h3m4s5ms", 93_784_005), ("90m", 5_400_000),
        ("1m1ms", 60_001), ("3650d", 315_360_000_000),
    ],
)  # fmt: skip
def test_a_duration_is_numbers_with_units(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    "text",
    ["", "30", "s", "1.5h", "-5s", "+5s", "5 s", " 5s", "5s ", "5s\n", "30m1h", "5s5s", "1w", "1H",
     "٣s", "1e3s", "3651d", "9999999999s", "P1D"],
)  # fmt: skip
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|is longer than ten years") as caught:
        parse_duration(text)
    assert not text.strip() or text.strip() not in str(caught.value).split()


@given(st.integers(0, 315_360_000_000))
def test_a_duration_is_said_the_way_it_is_read(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30", "30s"), ("30 s", "30s"), ("5 minutes", "5m"), ("1 hour 30 min", "1h30m"),
        ("2w", "14d"), ("30S", "30s"), ("10 msec", "10ms"), ("3 days", "3d"), ("soon", ""),
        ("", ""), ("1.5h", ""), ("-5s", ""),
    ],
)  # fmt: skip
def test_the_duration_that_was_meant_is_guessed(text: str, meant: str) -> None:
    assert suggest_duration(text) == meant


@given(st.text(max_size=20))
def test_a_guess_is_a_duration_or_nothing(text: str) -> None:
    guess = suggest_duration(text)
    assert guess == "" or parse_duration(guess) >= timedelta(0)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8484", "127.0.0.1", 8484), ("[::1]:80", "::1", 80),
        ("localhost:0", "localhost", 0), ("0.0.0.0:65535", "0.0.0.0", 65535),  # noqa: S104 - only read
    ],
)  # fmt: skip
def test_an_address_is_host_and_port(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    ["", "8484", ":8484", "host", "host:", "host:65536", "host:-1", "::1:80", "[host]:80x", "a b:1",
     "http://host:80", "[]:1", "host:١"],
)  # fmt: skip
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_address(text)


def test_a_limit_is_how_many_in_how_long() -> None:
    assert parse_limit("30/1m") == (30, timedelta(minutes=1))


@pytest.mark.parametrize("text", ["", "30", "/1m", "0/1m", "30/0s", "30/", "x/1m", "30/1m/1m"])
def test_anything_else_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_limit(text)
