"""How the document of a conversation is kept: deflated against what all of them have in common.

Rules: pure. A kept document says by its first byte what it was deflated with, so what is below is never
edited: a better skeleton is a further one. Of a conversation's thousand bytes most are names of fields and
values that nearly all have; a fifth is left.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

__all__ = ["pack", "pack_text", "unpack", "unpack_text"]

_SKELETONS: Mapping[int, bytes] = {
    1: (
        b'"custom_attributes":{"company":"city":"country":"type":"source":"lead_status":"dateUpdated":"tags":['
        b'"snoozed_until":null,"sla_status":null,"contact_identifier":null,"contact_custom_attributes":{}}}'
        b'{"id":"{"name":"link":"kind":"image","file","audio","video","url":"https://app.chatwoot.com/app/accounts/'
        b"https://app.gohighlevel.com/v2/location//conversations/conversations/https://app.leadping.com/"
        b'"outcome":"changed_at":"changed_by":"label":"type":"email","type":"call","type":"whatsapp","type":"webchat",'
        b'"status":"resolved","status":"pending","status":"snoozed","priority":"high","direction":"outbound",'
        b'"direction":"internal","automated":true,"automated":null,"archived":true,"unread":true,"unread_count":null,'
        b'"contact":{"id":"","name":null,"email":"@gmail.com","phone":"+4915"},"channel":"whatsapp","channel":"email",'
        b'"channel":"webchat","channel":"facebook","channel":"instagram","channel":"call","channel":null,'
        b'{"id":"1","url":null,"contact":{"id":"1","name":"Maria","email":null,"phone":"+1555010"},"channel":"sms",'
        b'"unread":false,"unread_count":0,"assignee":null,"team":null,"archived":false,"status":"open",'
        b'"disposition":null,"labels":[],"priority":null,"last_message":{"text":"Hello, thank you for you",'
        b'"direction":"inbound","type":"sms","at":"2026-11-20T10:00:00.000Z","automated":false,"subject":null,'
        b'"attachments":[]},"waiting_since":null,"last_activity_at":"2026-11-20T10:00:00.000Z",'
        b'"created_at":"2026-11-20T10:00:00.000Z","attributes":{"custom_attributes":{},"inbox_id":"1","muted":false,'
        b'"snoozed_until":null,"contact_identifier":null,"contact_custom_attributes":{}}}'
    ),
}
_NEWEST = max(_SKELETONS)
_WINDOW, _MEMORY = -13, 6
"""Bits of the window, without a header: it holds the skeleton; and what deflating takes, which is small."""


def pack(document: bytes) -> bytes:
    """Return a document as it is kept."""
    deflate = zlib.compressobj(
        6, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _SKELETONS[_NEWEST]
    )
    return bytes((_NEWEST,)) + deflate.compress(document) + deflate.flush()


def unpack(packed: bytes) -> bytes:
    """Return the document that is kept so; raise ValueError for anything else."""
    skeleton = _SKELETONS.get(packed[0]) if packed else None
    if skeleton is None:
        raise ValueError("no kept document, or one of a newer program")
    inflate = zlib.decompressobj(_WINDOW, zdict=skeleton)
    try:
        document = inflate.decompress(memoryview(packed)[1:]) + inflate.flush()
    except zlib.error as error:
        raise ValueError(f"a kept document is damaged: {error}") from None
    if not inflate.eof:
        raise ValueError("a kept document is damaged: it has no end")
    return document


def pack_text(text: str) -> bytes:
    """Return a text as it is kept; for SQL."""
    return pack(text.encode())


def unpack_text(packed: bytes) -> str:
    """Return the text that is kept so; for SQL."""
    return unpack(packed).decode()
