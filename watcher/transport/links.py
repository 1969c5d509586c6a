"""How an address is reached, beyond what the address says: whom to trust, who we are, which proxy.

Rules: what is configured is used or the attempt fails; nothing falls back to less. Files are checked
before each request, so a renewed certificate takes effect at once.
"""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

from watcher.descriptors import spent
from watcher.errors import WatcherError
from watcher.settings.link import USUAL, Link
from watcher.transport.library import httpx

__all__ = [
    "LinkUnusable",
    "Origin",
    "context_for",
    "marks",
    "origin_of",
    "proxy_for",
    "read_proxy",
    "tls_context",
]

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class LinkUnusable(OSError):
    """What is configured cannot be used: a file or an address. Its text is for people."""


def marks(link: Link) -> tuple[object, ...]:
    """Return what changes when a file of the link, or its proxy, is no longer the same.

    Raise LinkUnusable where one of them cannot be read.
    """
    files = (link.ca_file, link.client_cert, link.client_key)
    return (*(_mark(file) for file in files if file is not None), read_proxy(link))


def read_proxy(link: Link) -> str | None:
    """Return the address of a link's proxy as `Link.proxy` does; raise LinkUnusable."""
    try:
        return link.proxy()
    except (OSError, WatcherError):
        raise LinkUnusable("the proxy's address cannot be read") from None


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
    """Make a link's own TLS context; raise LinkUnusable."""
    if link.ca_file is None:
        context = tls_context()
    else:
        try:
            context = ssl.create_default_context(cafile=str(link.ca_file))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            if spent(error):
                raise
            raise LinkUnusable(f"{link.ca_file} is not a PEM file of certificates") from None
    if not link.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if link.client_cert is not None:
        # Always with a password: OpenSSL would else ask for one on the terminal.
        try:
            context.load_cert_chain(link.client_cert, link.client_key, link.password())
        except (OSError, ValueError, WatcherError) as error:
            if spent(error):
                raise
            files = " and ".join(str(f) for f in (link.client_cert, link.client_key) if f)
            raise LinkUnusable(
                f"{files}: not a certificate (PEM) with its key, or the key's password is wrong"
            ) from None
    return context


def origin_of(url: httpx.URL) -> Origin:
    """Return the origin of an address, with the scheme's own port where it names none."""
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def proxy_for(origin: Origin, link: Link = USUAL) -> str | None:
    """Return the proxy on the way to an origin: the link's own, else the environment's.

    Raise LinkUnusable if the link's own cannot be read.
    """
    own = read_proxy(link)
    return _proxy_of_environment(origin) if own is None else own or None


def _proxy_of_environment(origin: Origin) -> str | None:
    """Return the proxy that `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name.

    This machine itself is never reached through a proxy.
    """
    scheme, host, port = origin
    if _is_loopback(host) or proxy_bypass(f"{host}:{port}" if ":" not in host else host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
