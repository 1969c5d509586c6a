"""What would keep `run` from starting on this machine, as this user: its store and its ports.

Rules: changes nothing. Beside a daemon that has the store nothing is in the way: it is running.
"""

from __future__ import annotations

from collections.abc import Iterator

from watcher import web
from watcher.cli.console import Refusal, explain
from watcher.config.model import Config
from watcher.errors import StoreError

__all__ = ["obstacles"]


def obstacles(loaded: Config) -> Iterator[Refusal]:
    """Yield each cause with its remedy."""
    try:
        if loaded.store.holder() is not None:
            return
        loaded.store.absolute().look()
    except StoreError as error:
        yield explain(error)
    server = loaded.server
    for address in (server.listen, server.probes) if server is not None else ():
        if address is None or not address.port:
            continue
        try:
            web.bind(address.host, address.port).close()
        except OSError as error:
            yield explain(error)
