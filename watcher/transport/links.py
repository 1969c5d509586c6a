"""How an address is reached, beyond what the address says: whom to trust, who we are, which proxy.

Law: what is configured is used or the attempt fails; nothing falls back to less. Files are looked
at before each request, so a renewed certificate counts at once.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx  # noqa: TID251 - watcher.transport is the one import point

from watcher.errors import WatcherError

__all__ = ["CONNECTIONS", "USUAL", "Link", "LinkUnusable", "context_for", "tls_context"]

CONNECTIONS = 8
"""At one origin: enough for many accounts of one provider, few enough to walk for nothing."""


class LinkUnusable(OSError):
    """What is configured cannot be used: a file or an address. Its text is for people."""


def _environment() -> None:
    """Leave the proxy to the environment."""


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """How connections are made. Each link has connections of its own: what one holds up, another
    does not feel.

    `ca_file` holds the certificates (PEM) of the only authorities to trust; None: the usual ones.
    `client_cert` and `client_key` (None: it is in the same file) say who we are; `password` gives
    the key's. With `verify` False any certificate is taken. `proxy` gives an address, "" for none,
    None for what the environment says. Both may raise OSError or WatcherError.
    `connections` is how many there may be at one origin.
    """

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    password: Callable[[], str] = str
    verify: bool = True
    proxy: Callable[[], str | None] = _environment
    connections: int = CONNECTIONS

    def marks(self) -> tuple[object, ...]:
        """Give what changes when a file of the link, or its proxy, is another one than before.

        Raises LinkUnusable where one of them cannot be read.
        """
        files = (self.ca_file, self.client_cert, self.client_key)
        return (*(_mark(file) for file in files if file is not None), self.read_proxy())

    def read_proxy(self) -> str | None:
        """Give what `proxy` gives; raises LinkUnusable."""
        try:
            return self.proxy()
        except (OSError, WatcherError):
            raise LinkUnusable("the proxy's address cannot be read") from None


USUAL = Link()
"""The usual authorities, no client certificate, the environment's proxies."""


def _mark(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except OSError as error:
        raise LinkUnusable(f"the file {file} cannot be read: {error.strerror}") from None
    return status.st_mtime_ns, status.st_size, status.st_ino


def tls_context() -> ssl.SSLContext:
    """Make the context of the usual authorities, which connections share (each of one's own would
    cost 20 ms).

    `SSL_CERT_FILE` and `SSL_CERT_DIR` name other authorities than certifi's.
    """
    return httpx.create_ssl_context(trust_env=True)


def context_for(link: Link) -> ssl.SSLContext:
    """Make a link's own TLS context; raises LinkUnusable."""
    if link.ca_file is None:
        context = tls_context()
    else:
        try:
            context = ssl.create_default_context(cafile=str(link.ca_file))
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            raise LinkUnusable(f"{link.ca_file} is no PEM file of certificates") from None
    if not link.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if link.client_cert is not None:
        # Always with a password: OpenSSL would else ask for one on the terminal.
        try:
            context.load_cert_chain(link.client_cert, link.client_key, link.password())
        except (OSError, ValueError, WatcherError):
            files = " and ".join(str(f) for f in (link.client_cert, link.client_key) if f)
            raise LinkUnusable(
                f"{files}: no certificate (PEM) with its key, or the key's password is wrong"
            ) from None
    return context
