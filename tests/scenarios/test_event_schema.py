"""Every event that goes out, of whatever type, fits the published schema."""

from __future__ import annotations

import anyio
import pytest
from jsonschema import Draft202012Validator

from tests.scenarios.harness import PROVIDERS, Harness
from watcher.api.event_schema import DIGEST, event_schema
from watcher.simulator import faults

VALIDATOR = Draft202012Validator(event_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_event_of_a_day_fits(harness: Harness, provider: str) -> None:
    account = harness.watch(provider, "sales", "1", conversations=12)
    harness.rules = (
        "- {name: all, when: '*', notify: crm}\n"
        "- {name: slow, when: conversation.unread, for: 5m, repeat: 10m, resolved: true, notify: crm}\n"
        "- {name: many, when: 'conversation.*', digest: {every: 15m}, notify: crm}\n"
    )
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(60)
        world, living = harness.world, account.living()
        world.message(living[0], "hello", "inbound")
        await anyio.sleep(1200)
        world.answer(living[0])
        world.read(living[0])
        if provider != "leadping":
            world.assign(living[1], account.agents[0])
        await anyio.sleep(600)
        world.delete(living[2])
        world.create(account, "Is somebody there?")
        await anyio.sleep(1200)
        harness.faults[provider].plan(faults.empty())
        await anyio.sleep(900)
        harness.faults[provider].clear()
        await anyio.sleep(900)
        harness.faults[provider].plan(faults.status(401))
        await anyio.sleep(900)
        harness.faults[provider].clear()
        await anyio.sleep(900)
    kinds = {body["type"] for body in harness.inbox.bodies}
    assert {"conversation.message", "source.failing", "source.recovered", DIGEST} <= kinds
    assert len(kinds) >= 10
    for body in harness.inbox.bodies:
        VALIDATOR.validate(body)
