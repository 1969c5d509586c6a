"""What a customer's text makes of a rule is counted by rule, and the daemon's status tells of it."""

from __future__ import annotations

import anyio
from prometheus_client import generate_latest

from tests.scenarios.harness import Harness
from tests.scenarios.test_pace import quiet

HUNGRY = r"""conversation.last_message.text.matches("(x?){1000}x{1000}")"""
RULES = f"""
- name: modest
  when: conversation.message
  notify: crm
- name: hungry
  when: conversation.message
  where: '{HUNGRY}'
  notify: crm
"""


async def test_conditions_over_budget_are_counted_by_rule(harness: Harness) -> None:
    _account, (first, second, *_) = quiet(harness)
    harness.rules = RULES
    async with harness.running() as daemon:
        await harness.baseline()
        assert (await daemon.status())["over_budget"] == []
        harness.world.message(first, "short")
        await anyio.sleep(60)
        assert (await daemon.status())["over_budget"] == []
        for conversation in (first, second):
            harness.world.message(conversation, "a" * 90_000)
            await anyio.sleep(60)
        status = await daemon.status()
        assert status["over_budget"] == [{"rule": "hungry", "condition": 2, "template": 0}]
        series = generate_latest(daemon.metrics.registry).decode()
        line = 'inbox_watcher_evaluations_over_budget_total{rule="hungry",what="condition"} 2.0'
        assert line in series.splitlines()
        assert 'inbox_watcher_rule_errors_total{rule="hungry"} 2.0' in series.splitlines()
