"""The table of what watching costs says what the program reckons."""

from __future__ import annotations

import math
import re

import pytest

from tests.docs.pages import read, rows
from watcher.poller.request_plan import estimate, shared_budgets
from watcher.providers import Provider
from watcher.providers.chatwoot import Chatwoot, ChatwootSettings
from watcher.providers.leadconnector import HighLevel, HighLevelSettings, Leadway, LeadwaySettings
from watcher.providers.leadping import Leadping, LeadpingSettings

PROVIDERS: list[tuple[int, Provider]] = [
    (0, HighLevel(HighLevelSettings(token="t", location_id="l"))),
    (0, Leadway(LeadwaySettings(token="t", location_id="l"))),
    (1, Leadping(LeadpingSettings(token="t"))),
    (2, Chatwoot(ChatwootSettings(token="t", account_id=1))),
]


def table() -> list[list[int]]:
    """Return the table's numbers."""
    page = read("guarantees.md").partition("## What it costs")[2].partition("* The limits")[0]
    told = [[cell.replace(",", "") for cell in row] for row in rows(page)]
    return [[int(cell) for cell in row] for row in told if row[0].isdigit()]


@pytest.mark.parametrize(("column", "provider"), PROVIDERS)
def test_the_table_of_costs_is_what_check_would_say(column: int, provider: Provider) -> None:
    head = re.findall(r"an hour, of ([0-9,]+)", read("guarantees.md"))
    allowed = int(head[column].replace(",", ""))
    told = table()
    assert [row[0] for row in told] == [500, 1000, 5000, 10_000, 25_000, 100_000]
    for conversations, *costs in told:
        plan = estimate(
            "any",
            provider,
            poll_every=30,
            sweep_every=900,
            conversations=conversations,
            sets={},
        )
        assert plan is not None
        (share,) = shared_budgets([plan])
        reckoned = [plan.sweep, math.ceil(plan.hourly)]
        assert costs[2 * column : 2 * column + 2] == reckoned
        assert math.floor(share.allowed) == allowed
        assert share.advice is None
