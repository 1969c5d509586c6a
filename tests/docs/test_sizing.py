"""The tables of docs/sizing.md are what the program reckons."""

from __future__ import annotations

import math
import re

from tests.docs.pages import read, rows
from watcher.daemon import sizing
from watcher.daemon.sizing import load_of, mib, needs_of
from watcher.poller.request_plan import HOUR, estimate
from watcher.providers.chatwoot import Chatwoot, ChatwootSettings
from watcher.settings.values import parse_duration

EACH = 250


def reckoned(accounts: int, poll_every: str, sweep_every: str) -> list[str]:
    plan = estimate(
        "any",
        Chatwoot(ChatwootSettings(token="t", account_id=1)),
        poll_every=parse_duration(poll_every).total_seconds(),
        sweep_every=parse_duration(sweep_every).total_seconds(),
        conversations=EACH,
        sets={},
    )
    needs = needs_of(load_of([plan] * accounts, changes=EACH * accounts / 5))
    seconds = needs.baseline
    first = f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
    return [
        f"{accounts:,}", poll_every, sweep_every, f"{accounts * plan.hourly / HOUR:,.0f}",
        f"{math.ceil(100 * needs.cpu):,} %", mib(needs.memory), mib(needs.disk),
        first if seconds < HOUR else f"{seconds / HOUR:.1f} h",
    ]  # fmt: skip


def test_the_table_is_what_the_model_says() -> None:
    page = read("sizing.md").partition("## Tables")[2].partition("## What")[0]
    told = [row for row in rows(page) if row[0].replace(",", "").isdigit()]
    assert len(told) == 6
    for accounts, poll_every, sweep_every, *rest in told:
        row = reckoned(int(accounts.replace(",", "")), poll_every, sweep_every)
        assert [accounts, poll_every, sweep_every, *rest] == row, row


def test_the_figures_are_those_of_the_model() -> None:
    page = read("sizing.md")
    for text, value in (
        (r"has changed \| ([\d.]+) ms", 1000 * sizing.PER_POLL),
        (r"known \| ([\d.]+) s of CPU", 1000 * sizing.PER_SWEPT),
        (r"webhook \| ([\d.]+) ms", 1000 * sizing.PER_EVENT),
        (r"first sweep \| ([\d.]+) s", 1000 * sizing.FIRST_LOOK),
        (r"at a start \| ([\d.]+) ms", 1000 * sizing.PER_START),
        (r"memory \| (\d+) MiB", sizing.PROCESS / 2**20),
        (r"(\d+) KiB a source, \d+ bytes", round(sizing.PER_SOURCE / 1024)),
        (r"(\d+) bytes a conversation", sizing.PER_CONVERSATION),
        (r"([\d.]+) KiB a conversation", round(sizing.KEPT_CONVERSATION / 1024, 1)),
        (r"([\d.]+) KiB an event", round(sizing.KEPT_EVENT / 1024, 1)),
    ):
        found = re.search(text, page)
        assert found is not None, text
        assert math.isclose(float(found[1]), value), (text, value)


def test_what_does_not_suffice_is_said_with_what_to_do() -> None:
    plan = estimate(
        "any",
        Chatwoot(ChatwootSettings(token="t", account_id=1)),
        poll_every=30, sweep_every=900, conversations=EACH, sets={},
    )  # fmt: skip
    small, large = (needs_of(load_of([plan] * number)) for number in (10, 50_000))
    plenty = {"memory": 2.0**40, "disk": 2.0**50}
    assert list(sizing.shortages(small, **plenty)) == []
    assert next(sizing.shortages(large, memory=None, disk=None))[0].startswith(
        "all sources need about"
    )
    words = [cause for cause, _ in sizing.shortages(large, memory=2.0**30, disk=2.0**30)]
    assert [word for word in ("cores", "of memory", "of disk") if any(word in one for one in words)] == [
        "cores", "of memory", "of disk",
    ]  # fmt: skip
