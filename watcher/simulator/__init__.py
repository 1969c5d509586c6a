"""Faithful fake inbox providers over one scripted, seeded world with a truth log.

For `inbox-watcher demo`, for the tests, and for people who write providers:

    world = World(clock, seed=7)
    account = world.open_account("chatwoot", "3", conversations=40)
    server = Faults(chatwoot.app(world), clock)     # an ASGI application: httpx, uvicorn, …
    world.message(account.conversations["1"], "Is the blue one in stock?")
    world.truth.entries                             # what an ideal watcher reports

`leadping.app`, `leadconnector.app` and `chatwoot.app` take the world and an `Options` of their
module; each serves all accounts of its kind, and the token (`Account.token`) decides which.
`by_host` puts several behind one transport, `Dated` adds the `Date` header.
`lively(world).step()` lets something happen.

Rules: shares no code with the providers, so that both cannot be wrong in the same way; the only clock
is the world's.
"""

from __future__ import annotations

from watcher.simulator import chatwoot, faults, leadconnector, leadping
from watcher.simulator.contract import canonical
from watcher.simulator.faults import Fault, Faults, Seen
from watcher.simulator.script import Script, lively
from watcher.simulator.serving import Dated, by_host
from watcher.simulator.state import (
    Account,
    Agent,
    Contact,
    Conversation,
    Disposition,
    Impossible,
    Inbox,
    Message,
    State,
    Team,
    Viewer,
)
from watcher.simulator.truth import Truth, TruthEntry
from watcher.simulator.world import World

__all__ = [
    "Account",
    "Agent",
    "Contact",
    "Conversation",
    "Dated",
    "Disposition",
    "Fault",
    "Faults",
    "Impossible",
    "Inbox",
    "Message",
    "Script",
    "Seen",
    "State",
    "Team",
    "Truth",
    "TruthEntry",
    "Viewer",
    "World",
    "by_host",
    "canonical",
    "chatwoot",
    "faults",
    "leadconnector",
    "leadping",
    "lively",
]
