"""Values of secrets and addresses that are obviously not what was meant.

Rules: pure. The one place that looks at them, after substitution; what is returned never repeats a
part of the value.
"""

from __future__ import annotations

import re

__all__ = ["ADDRESSES", "EXAMINED", "oddity"]

ADDRESSES = frozenset({"url", "urls", "base_url", "proxy"})
"""Settings that are addresses."""

EXAMINED = ADDRESSES | {"token", "secret", "secrets", "headers", "client_key_password"}
"""Settings whose texts are looked at, by the key in the file."""

_QUOTES = "\"'`“”‘’"
_PLACEHOLDER = re.compile(r"<[^<>\s][^<>]*>")
_VARIABLE = re.compile(r"(?:^|[/:@=?&\s])\$\{?[A-Za-z_][A-Za-z0-9_]*\}?(?=$|[/:@?&\s])")
_SECOND_URL = re.compile(r"[\s,]\s*[A-Za-z][A-Za-z0-9+.-]*://")
_AUTHORITY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_MAIL = ("mailto", "mailtos")


def oddity(key: str, value: str) -> tuple[str, str] | None:
    """Return what is wrong with a value of the setting `key`, with the remedy; None if nothing is."""
    plain = value.strip()
    if not plain:
        return None  # whether it may be empty is for the setting to say
    if value != plain:
        ends = value.replace(plain, "")
        what = "a line break" if "\r" in ends or "\n" in ends else "white space"
        return f"has {what} at one of its ends", "write the value alone"
    if plain[0] in _QUOTES and plain[-1] in _QUOTES and len(plain) > 1:
        return "has quotes around it, which are part of the value", "write the value without quotes"
    if _PLACEHOLDER.fullmatch(plain) or (key in ADDRESSES and _PLACEHOLDER.search(plain)):
        return "still has a placeholder in `<…>`", "put the real value there, without < and >"
    if _VARIABLE.search(plain):
        return (
            "has the name of a variable left over",
            "write `${NAME}` in this file: only that is replaced",
        )
    if key not in ADDRESSES:
        return None
    if _SECOND_URL.search(plain):
        alone = "write each one on its own below `urls:`" if key.startswith("url") else "write one"
        return "holds several URLs", alone
    found = _AUTHORITY.match(plain)
    scheme, authority = (found.group(1).lower(), found.group(2)) if found else ("", "")
    port = authority.partition(":")[2]
    if scheme in _MAIL and port and "@" not in port and not port.isdigit():
        return (
            "has no @ before its first / or ?, so that the password ends there",
            "write %2F for a / and %3F for a ? in the user or the password",
        )
    if authority.count("@") > 1:
        return (
            "has more than one @ before its host, so that a part of the password becomes the host",
            "write %40 for an @ in the user or the password",
        )
    return None
