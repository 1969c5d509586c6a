"""(a) What a cycle costs in which nothing has changed, and (b) one in which 4 % of the rows have.

A hundred accounts of 25 conversations, a poll every four seconds. Kinds of servers: `pages` knows no
`updated_within`, so that a poll is a page (86 KB); `pages of 100` has longer ones; `304` is `pages` with
validators; `windows` answers a poll with what was updated; `tls` is `pages` over HTTPS.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import trustme

from tests.bench.figures import Figure, Measured, Scale
from tests.bench.processes import CLIENTS, Bare, Service, Watcher, installed, peak_of
from tests.bench.rounds import Round, ratios, rounds

KINDS: Mapping[str, Mapping[str, Any]] = {
    "pages": {"old": True},
    "pages of 100": {"old": True, "conversations": 100, "page": 100},
    "304": {"old": True, "etag": True},
    "windows": {},
    "tls": {"old": True},
}
ACCOUNTS = 100
POLL = 4.0
"""Seconds between two polls of an account."""

SETTLED = 20.0
"""Seconds after which all that a start does is done, and polls repeat themselves."""


class _Cell:
    """A watcher, what it watches, and the bare clients beside it."""

    def __init__(self, stack: ExitStack, kind: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment: dict[str, str] = {}
        certificate = None
        if kind == "tls":
            authority = trustme.CA()
            authority.cert_pem.write_to_path(folder / "authority.pem")
            certificate = folder / "server.pem"
            authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
                certificate
            )
            certificate.write_bytes(certificate.read_bytes() + authority.cert_pem.bytes())
            environment["SSL_CERT_FILE"] = str(folder / "authority.pem")
        self.service = stack.enter_context(
            Service(accounts=ACCOUNTS, note=True, certificate=certificate, **KINDS[kind])
        )
        accounts = {f"a{number}": (self.service.base, number) for number in range(1, ACCOUNTS + 1)}
        self.watcher = stack.enter_context(
            Watcher(
                accounts,
                f"{self.service.base}/hook",
                poll_every=f"{POLL:.0f}s",
                environment=environment,
            )
        )
        self.bare = {
            name: stack.enter_context(Bare(name, environment))
            for name in CLIENTS
            if installed(name)
        }
        self.watcher.ready(120)
        time.sleep(SETTLED)


def idle(scale: Scale) -> Iterator[Measured]:
    """Measure cycles in which nothing changes."""
    for kind in scale.words("kinds", tuple(KINDS), ("pages", "windows")):
        with ExitStack() as stack:
            cell = _Cell(stack, kind)
            found = list(
                rounds(
                    cell.watcher, cell.service, cell.bare,
                    count=scale.number("rounds", 5, 2), seconds=2 * POLL,
                )
            )  # fmt: skip
            yield from ratios(kind, found, 1.2)
            covered = tuple(1000 * one.cpu / max(1, one.covered) for one in found)
            most = 0.04 if kind == "pages" else None
            yield Measured(kind, "CPU for 1,000 conversations", covered, "s", most)
            yield Measured(kind, "memory at most", (peak_of(cell.watcher.pid),), "MiB", 70)


def changed(scale: Scale) -> Iterator[Measured]:
    """Measure cycles in which one conversation of each account has changed."""
    for kind in scale.words("kinds", ("pages", "windows"), ("windows",)):
        with ExitStack() as stack:
            cell = _Cell(stack, kind)

            def act(service: Service = cell.service) -> None:
                for _ in range(2):
                    service.change("message")
                    time.sleep(POLL)

            found = list(
                rounds(
                    cell.watcher, cell.service, cell.bare,
                    count=scale.number("rounds", 5, 2), seconds=2 * POLL, act=act,
                )
            )  # fmt: skip
            yield from ratios(kind, found, 2.0)
            yield Measured(kind, "events a round", tuple(float(one.posts) for one in found))
            yield Measured(kind, "CPU an event", _events(found), "ms", 1.5)


def _events(found: list[Round]) -> tuple[float, ...]:
    return tuple(1000 * one.cpu / max(1, one.posts) for one in found)


_SCALES = {"kinds": ", ".join(KINDS), "rounds": "of eight seconds"}
FIGURES = (
    Figure("a", "idle", "a cycle in which nothing changes", idle, _SCALES),
    Figure("b", "changed", "a cycle in which 4 % of the rows change", changed, _SCALES),
)
