"""Short texts that are known again by their signature.

Rules: pure. What is said is signed and not hidden. A signature is for one purpose: none of another passes for
it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["LONGEST", "read_signed", "signed"]

LONGEST = 4096
"""Characters of a signed text that are looked at."""


def signed(said: bytes, key: bytes, purpose: bytes) -> str:
    """Return what is said with its signature, for an address or a cookie; the same for the same."""
    return f"{_encode(said)}.{_encode(_signature(said, key, purpose))}"


def read_signed(text: str, keys: Sequence[bytes], purpose: bytes) -> tuple[bytes, int] | None:
    """Return what is said, and which of the keys has signed it; None where none of them has."""
    said, dot, signature = text.partition(".")
    if not dot or len(text) > LONGEST:
        return None
    try:
        plain, given = _decode(said), _decode(signature)
    except (binascii.Error, ValueError):
        return None
    # All keys are tried, in the same time whichever fits; what is not signed is not read.
    fits = [hmac.compare_digest(_signature(plain, key, purpose), given) for key in keys]
    # One text alone is right: base64 has several that decode alike.
    if not any(fits) or (_encode(plain), _encode(given)) != (said, signature):
        return None
    return plain, fits.index(True)


def _signature(said: bytes, key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, purpose + b"\n" + said, hashlib.sha256).digest()


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
