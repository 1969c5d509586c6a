"""The kinds of value that only receivers and the store take.

Law: pure; each kind is an annotated type for the models of `watcher.config.schema`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

from watcher.redaction import RedactionError, check_redaction
from watcher.settings.base import wrong
from watcher.settings.values import is_http_url
from watcher.store.address import AddressError, StoreAddress

__all__ = [
    "AppriseUrl",
    "FilePath",
    "Headers",
    "ProxyAddress",
    "RedactedPath",
    "StorePath",
    "WebhookSecret",
    "WebhookUrl",
]

_RESERVED_HEADERS = frozenset(
    {
        "connection", "content-length", "content-type", "expect", "host", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110, 5.6.2: token
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?\Z")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")


def _webhook_url(value: str) -> str:
    if not is_http_url(value):
        raise wrong("is not an http:// or https:// URL", "write https://host/path")
    if re.search(r"[^!-~]", value):
        raise wrong("is not a URL: it has white space or a character to be percent-encoded in it")
    return value


def _apprise_url(value: str) -> str:
    if not _SCHEME.match(value):
        raise wrong(
            "is not an Apprise URL",
            "write one such as slack://…, mailto://…, tgram://… or json://…",
        )
    return value


def _proxy_address(value: str) -> str:
    if value in ("environment", "direct"):
        return value
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and parts.path in ("", "/") and not re.search(r"[^!-~]", value)
    except ValueError:  # its message would quote the password
        good = False
    if not good:
        raise wrong(
            "is not the address of a proxy",
            "write http://host:port (or https://), `environment` or `direct`",
        )
    return value


def _redacted_path(value: str) -> str:
    try:
        return check_redaction(value)
    except RedactionError as error:
        raise wrong(str(error), error.remedy) from None


def _file_path(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise wrong("is not a path")
    return value


def _webhook_secret(value: str) -> str:
    """Check what Standard Webhooks calls a symmetric secret: `whsec_` and base64."""
    remedy = "write `whsec_` followed by base64; `openssl rand -base64 32` makes one"
    if not value.startswith("whsec_"):
        raise wrong("is not a Standard Webhooks secret: it does not begin with whsec_", remedy)
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise wrong("is not a Standard Webhooks secret: what follows whsec_ is not base64", remedy)
    return value


def _header_name(name: str) -> str:
    # Names are keys of the file, never secrets, so they may be repeated.
    if not _HEADER_NAME.match(name):
        raise wrong(f"`{name}` cannot be the name of a header", "use letters, digits and -")
    if name.lower() in _RESERVED_HEADERS or name.lower().startswith("webhook-"):
        raise wrong(f"the header {name} is set by inbox-watcher itself", "remove it")
    return name


def _header_value(value: str) -> str:
    if not _HEADER_VALUE.match(value):
        raise wrong(
            "has a line break, a space at an end or a character outside ASCII in it",
            "headers take printable ASCII only",
        )
    return value


def _distinct(headers: Mapping[str, str]) -> Mapping[str, str]:
    if len({name.lower() for name in headers}) < len(headers):
        raise wrong("has a header twice, in capitals and in small letters", "keep one of them")
    return headers


def _store_path(value: str) -> str:
    try:
        StoreAddress.parse(value)
    except AddressError as error:
        raise wrong(str(error), error.remedy) from None
    return value


StorePath = Annotated[str, StringConstraints(min_length=1), AfterValidator(_store_path)]
WebhookUrl = Annotated[str, AfterValidator(_webhook_url)]
ProxyAddress = Annotated[str, AfterValidator(_proxy_address)]
RedactedPath = Annotated[str, AfterValidator(_redacted_path)]
FilePath = Annotated[str, AfterValidator(_file_path)]
AppriseUrl = Annotated[str, AfterValidator(_apprise_url)]
WebhookSecret = Annotated[str, AfterValidator(_webhook_secret)]
Headers = Annotated[
    dict[
        Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header_value)]
    ],
    AfterValidator(_distinct),
]
