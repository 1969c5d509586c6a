"""The other ends of a trial: six simulated accounts, and a receiver that checks what it is sent.

    python3 deploy/trial.py FOLDER

Listens on loopback and writes `FOLDER/config/inbox-watcher.yaml` (a configuration for the
container: secrets in /run/secrets, state in /var/lib/inbox-watcher) and `FOLDER/secrets/`. Each
SIGUSR1 lets one thing happen in every account; `FOLDER/owed` says how many changes have not
arrived, and is absent until every source has its baseline. SIGTERM ends it: status 0 only if every
change arrived once, and nothing else did.

Rules: for deploy/try-image.sh, which runs it in the image as well. Knows the demonstration's scenes
and scorecard, nothing of the daemon.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from watcher import web
from watcher.clock import wall_clock
from watcher.demo.receiver import Arrival, Inbound
from watcher.demo.scenes import Scene, open_scenes
from watcher.demo.scorecard import Change, Scorecard, score

HOST = "127.0.0.1"

CONFIGURATION = """\
store: /var/lib/inbox-watcher/inbox-watcher.db
server: {listen: "127.0.0.1:8484", probes: "0.0.0.0:8485"}

sources:
%(sources)s
receivers:
  crm:
    type: webhook
    url: http://127.0.0.1:%(port)d/crm
    secret: ${file:/run/secrets/crm}
    retry: [1s, 1s, 1s, 1s, 1s]
  team:
    type: apprise
    url: json://127.0.0.1:%(port)d/team

rules:
  - {name: Everything, when: "*", notify: crm}
  - {name: Unread, when: conversation.unread, notify: team}
"""

SOURCE = """\
  %(name)s:
    provider: %(provider)s
    base_url: http://127.0.0.1:%(port)d
    %(setting)s
    token: ${file:/run/secrets/%(name)s}
    poll_every: 1s
    sweep_every: 3s
"""


class Trial:
    """The scenes and the receiver, and what is still owed between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenes = open_scenes(wall_clock)
        self.inbound = Inbound(wall_clock, self._arrived, lambda _reader, _title, _body: None)
        self.baselines: list[str] = []

    def _arrived(self, arrival: Arrival) -> None:
        if arrival.event["type"] == "source.baselined":
            self.baselines.append(arrival.event["data"]["source"])

    async def run(self) -> bool:
        """Serve until SIGTERM; True if all was well."""
        apps = [*(scene.app for scene in self.scenes), self.inbound.app]
        listeners = [web.bind(HOST, 0) for _ in apps]
        async with anyio.create_task_group() as tasks:
            for app, listener in zip(apps, listeners, strict=True):
                tasks.start_soon(web.serve, app, listener)
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGUSR1) as signals:
                # Written when signals are heard: whoever sees the file may send one.
                ports = [listener.getsockname()[1] for listener in listeners]
                write_configuration(self.folder, self.scenes, self.inbound.secret, ports)
                say(f"{len(self.scenes)} accounts and a receiver listen")
                tasks.start_soon(self._tell_owed)
                async for number in signals:
                    if number == signal.SIGTERM:
                        break
                    for scene in self.scenes:
                        say(f"{scene.name}: {scene.step()}")
            tasks.cancel_scope.cancel()
        return self._sum_up()

    async def _tell_owed(self) -> None:
        file, new = self.folder / "owed", self.folder / "owed.new"
        while True:
            if len(set(self.baselines)) == len(self.scenes):
                scorecard = self._score()
                new.write_text(f"{len(scorecard.missed) + len(scorecard.under_way)}\n")
                new.replace(file)
            await anyio.sleep(0.2)

    def _score(self) -> Scorecard:
        changes = [Change(scene.name, entry) for scene in self.scenes for entry in scene.changes]
        return score(changes, self.inbound.arrivals, wall_clock())

    def _sum_up(self) -> bool:
        found = self._score()
        lacking = (*found.missed, *found.under_way)
        for change in lacking:
            say(f"did not arrive: {change.source} {change.entry.type} {change.entry.conversation}")
        for arrival in found.invented:
            say(f"did not happen: {arrival.event['type']} {arrival.event['subject']}")
        say(
            f"{len(found.delays)} changes arrived, {len(lacking)} did not,"
            f" {len(found.invented)} were invented; {len(self.baselines)} baselines of"
            f" {len(self.scenes)} sources; {self.inbound.refused} signatures refused;"
            f" {self.inbound.texts} texts through Apprise"
        )
        return (
            bool(found.delays)
            and not lacking
            and not found.invented
            and not self.inbound.refused
            and self.inbound.texts > 0
            and len(self.baselines) == len(self.scenes)
        )


def write_configuration(
    folder: Path, scenes: Sequence[Scene], secret: str, ports: Sequence[int]
) -> None:
    """Write the secrets, then the configuration; `ports` are the scenes' and the receiver's."""
    secrets, config = folder / "secrets", folder / "config"
    for made in (secrets, config):
        made.mkdir(exist_ok=True)
    (secrets / "crm").write_text(secret + "\n")
    blocks = []
    for scene, port in zip(scenes, ports[:-1], strict=True):
        (secrets / scene.name).write_text(scene.account.token + "\n")
        blocks.append(
            SOURCE
            % {
                "name": scene.name,
                "provider": scene.provider,
                "port": port,
                "setting": scene.setting,
            }
        )
    new = folder / "new.yaml"
    new.write_text(CONFIGURATION % {"sources": "\n".join(blocks), "port": ports[-1]})
    new.replace(config / "inbox-watcher.yaml")


def say(line: str) -> None:
    """Tell the person who watches the trial."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(0 if anyio.run(Trial(Path(sys.argv[1])).run) else 1)
