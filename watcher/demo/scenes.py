"""The scenes of the demonstration: one simulated account each, and the configuration for all.

Rules: sets things up and writes files; does not wait, listen or print.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from watcher.simulator import (
    Account,
    Script,
    TruthEntry,
    World,
    chatwoot,
    leadconnector,
    leadping,
    lively,
)
from watcher.simulator.state import Kind

__all__ = ["Scene", "open_scenes", "write_configuration"]


@dataclass(frozen=True, slots=True)
class Part:
    """What a scene is made of. `past` is how many steps of its script were taken before the watcher
    starts, so that the scenes do not all begin with the same change.
    """

    name: str
    provider: str
    brand: str
    kind: Kind
    account: str
    setting: str
    conversations: int
    past: int


CAST = (
    Part("support", "chatwoot", "Chatwoot", "chatwoot", "3", "account_id", 30, 0),
    Part("sales", "highlevel", "HighLevel", "highlevel", "loc-sales", "location_id", 40, 4),
    Part("leads", "leadping", "Leadping", "leadping", "org-leads", "organization", 25, 1),
    Part("clinic", "leadway", "Leadway", "highlevel", "loc-clinic", "location_id", 15, 5),
    Part("shop", "chatwoot", "Chatwoot", "chatwoot", "8", "account_id", 20, 8),
    Part("callbacks", "leadping", "Leadping", "leadping", "org-callbacks", "organization", 15, 5),
)


class Scene:
    """One account in a world of its own, with its own script of changes."""

    def __init__(self, part: Part, clock: Callable[[], datetime], seed: int) -> None:
        self.name = part.name
        self.provider = part.provider
        self.brand = part.brand
        self.setting = f"{part.setting}: {part.account}"
        self._world = World(clock, seed)
        self.account: Account = self._world.open_account(
            part.kind, part.account, conversations=part.conversations
        )
        self._script: Script = lively(self._world)
        for _ in range(part.past):
            self._script.step()
        self._before = len(self._world.truth)

    @property
    def app(self) -> ASGIApp:
        """The provider's server."""
        match self.account.kind:
            case "chatwoot":
                return chatwoot.app(self._world)
            case "highlevel":
                return leadconnector.app(self._world)
            case "leadping":
                return leadping.app(self._world)

    @property
    def changes(self) -> Sequence[TruthEntry]:
        """What should be reported, from the first step on."""
        entries = self._world.truth.entries[self._before :]
        return [
            replace(one, before=self._named(one.before), after=self._named(one.after))
            for one in entries
        ]

    @property
    def people(self) -> Mapping[str, str]:
        """The names of those whom the provider shows as an ID alone."""
        agents = self.account.agents if self.account.kind == "highlevel" else ()
        return {one.id: one.name for one in agents}

    def step(self) -> str:
        """Make the next change; return its description without the provider's name."""
        return self._script.step().partition(": ")[2]

    def _named(self, side: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return one side of a change with the name that `people` gives to an assignee."""
        assignee = side.get("assignee")
        if not assignee or assignee["id"] not in self.people:
            return side
        return {**side, "assignee": {**assignee, "name": self.people[assignee["id"]]}}


def open_scenes(clock: Callable[[], datetime]) -> tuple[Scene, ...]:
    """Open every account, the same ones each time."""
    return tuple(Scene(part, clock, seed) for seed, part in enumerate(CAST, start=1))


RULES = """\
rules:
  - name: Everything reaches the CRM
    when: "*"
    notify: crm

  - name: Unread and unassigned
    when: conversation.unread
    where: conversation.assignee == null
    notify: team

  - name: Nobody answers
    when: conversation.waiting
    for: 3s           # 20m in earnest
    resolved: true    # and once more when it is over
    where: source == "support"
    notify: [crm, team]

  - name: Still nobody answers
    when: conversation.waiting
    for: 4s           # 1h in earnest
    resolved: true
    where: source == "support"
    notify: manager

  - name: An outcome
    when: conversation.disposition_changed
    notify: team
    message:
      title: "{{ conversation.contact.name }}: {{ conversation.disposition.label or 'no outcome' }}"
      body: "{{ source }} ({{ provider }})"
"""


def write_configuration(
    folder: Path, scenes: Sequence[Scene], secret: str, *, ports: Sequence[int], health: int
) -> Path:
    """Write the configuration with its secrets in files; return its path.

    `ports` are those of the scenes and, last, the receiver's; `health` the daemon's own.
    """
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    _keep(secrets / "crm", secret)
    blocks = []
    for scene, port in zip(scenes, ports[:-1], strict=True):
        _keep(secrets / scene.name, scene.account.token)
        blocks.append(
            f"  {scene.name}:\n"
            f"    provider: {scene.provider}\n"
            f"    base_url: http://127.0.0.1:{port}   # simulated; leave it out for the real one\n"
            f"    {scene.setting}\n"
            f"    token: ${{file:secrets/{scene.name}}}\n"
            f"    poll_every: 1s\n"
            f"    sweep_every: 3s\n" + _people(scene)
        )
    file = folder / "watcher.yaml"
    file.write_text(
        "# Written by `inbox-watcher demo`: a real configuration against simulated providers.\n"
        "store: watcher.db   # beside this file\n"
        f"server: {{listen: 127.0.0.1:{health}, reading: open}}\n\n"
        "sources:\n" + "\n".join(blocks) + "\n"
        "receivers:\n"
        "  crm:\n"
        "    type: webhook\n"
        f"    url: http://127.0.0.1:{ports[-1]}/crm\n"
        "    secret: ${file:secrets/crm}\n"
        "  team:\n"
        "    type: apprise   # any Apprise URL: slack://, mailto://, tgram://, …\n"
        f"    url: json://127.0.0.1:{ports[-1]}/team\n"
        "  manager:\n"
        "    type: apprise\n"
        f"    url: json://127.0.0.1:{ports[-1]}/manager\n\n" + RULES,
        encoding="utf-8",
    )
    return file


def _people(scene: Scene) -> str:
    """Return the setting `people`, where the provider needs it."""
    lines = "".join(f"      {id_}: {name}\n" for id_, name in scene.people.items())
    return f"    people:\n{lines}" if lines else ""


def _keep(file: Path, secret: str) -> None:
    """Write a secret that only the user can read."""
    file.touch(mode=0o600)
    file.write_text(secret + "\n", encoding="utf-8")
