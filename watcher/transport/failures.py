"""Why no answer came, as text for people.

Rules: names host and port and nothing else of an address; never quotes a library's message, which
may hold a header (a token), a query or a path.
"""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass

from watcher import descriptors
from watcher.errors import causes
from watcher.settings.link import USUAL, Link
from watcher.transport.addresses import REMEDY, AddressDenied
from watcher.transport.library import httpx
from watcher.transport.links import LinkUnusable, origin_of, proxy_for

__all__ = ["NETWORK_ERRORS", "Failure", "explain", "place"]

NETWORK_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError)
"""What httpx lets through when a request fails. UnicodeError: a host name with an empty or
overlong label, or a header that is not ASCII. OSError: what escapes its own mapping.
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed. `connect`: the connection failed. `ours`: the request cannot be sent
    as configured, and waiting does not help.
    """

    reason: str
    remedy: str = ""
    connect: bool = False
    ours: bool = False


def place(url: httpx.URL, link: Link = USUAL) -> str:
    """Name host and port of an address (and the proxy's, where one is in between)."""
    origin = origin_of(url)
    _, host, port = origin
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        proxy = proxy_for(origin, link)
        if proxy is None:
            return where
        between = httpx.URL(proxy)
    except (httpx.InvalidURL, OSError):
        return f"{where} (through a proxy)"
    return f"{where} (through the proxy {between.host}:{origin_of(between)[2]})"


def explain(error: BaseException, url: httpx.URL | None, who: str, link: Link = USUAL) -> Failure:
    """Explain why the request to `url` failed; `who` names the other side if there is no valid URL."""
    where = who if url is None else place(url, link)
    if descriptors.spent(error):
        return Failure(
            f"no connection to {where}: {descriptors.REASON}",
            descriptors.ADVICE,
            connect=True,
        )
    match error:
        case AddressDenied():
            return Failure(str(error), REMEDY, ours=True)
        case LinkUnusable():
            return Failure(str(error), "check the settings of this connection", ours=True)
        case httpx.ConnectTimeout():
            return Failure(
                f"{where} does not answer a connection attempt in time",
                "check the network, the firewall and the address",
                connect=True,
            )
        case httpx.PoolTimeout():
            return Failure(f"all connections to {where} are busy")
        case httpx.TimeoutException() | TimeoutError():
            return Failure(f"{where} did not answer in time")
        case httpx.ProxyError():
            return Failure(
                f"the proxy does not connect to {where}",
                "check `proxy`, or HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY in the environment",
                connect=True,
            )
        case httpx.ConnectError() | UnicodeError() if _is_about_connecting(error):
            return _explain_connecting(error, where)
        case httpx.LocalProtocolError() | UnicodeError():
            return Failure(
                "a header has characters that HTTP does not allow",
                "check the token and the headers: no line breaks, plain ASCII",
                ours=True,
            )
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return Failure(
                "the configured address is not an http or https address",
                "check the address in the configuration",
                ours=True,
            )
        case httpx.DecodingError():
            return Failure(f"{where} sent an answer whose compression is broken")
        case httpx.RemoteProtocolError():
            return Failure(f"{where} broke the answer off or does not speak HTTP")
        case httpx.NetworkError() | ssl.SSLError() if alert := _tls_alert(error):
            return Failure(
                f"{where} ended TLS: {alert}",
                "check `client_cert`, and whether the other side knows its authority",
            )
        case _:
            return Failure(f"the connection to {where} was lost")


def _is_about_connecting(error: BaseException) -> bool:
    """A UnicodeError is about the host's name when the idna codec raised it, else about a header."""
    if isinstance(error, UnicodeError):
        return not isinstance(error, UnicodeEncodeError) or error.encoding == "idna"
    return True


def _tls_alert(error: BaseException) -> str:
    """Return the alert with which the other side ended TLS after the handshake, as TLS 1.3 does for a
    client certificate that is missing or not accepted.
    """
    for cause in causes(error):
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return cause.reason.lower().replace("_", " ")
    return ""


def _explain_connecting(error: BaseException, where: str) -> Failure:
    for cause in causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return Failure(
                    f"the TLS certificate of {where} is not accepted: {cause.verify_message}",
                    "check the address; for a private certificate authority set `ca_file`, or"
                    " SSL_CERT_FILE for all",
                    connect=True,
                )
            case ssl.SSLError():
                return Failure(
                    f"{where} does not agree on TLS",
                    "check whether the address is https or http, and the port",
                    connect=True,
                )
            case socket.gaierror() | UnicodeError():
                return Failure(
                    f"the host name of {where} cannot be resolved",
                    "check the address and this machine's DNS",
                    connect=True,
                )
            case ConnectionRefusedError():
                return Failure(
                    f"{where} refuses connections",
                    "check host and port, and whether the server runs",
                    connect=True,
                )
            case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
                return Failure(
                    f"there is no route to {where}", "check this machine's network", connect=True
                )
    return Failure(f"no connection to {where}", "check the network and the address", connect=True)
