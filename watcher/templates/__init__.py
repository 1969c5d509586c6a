"""Templates: the messages in which people read of events.

Rules: pure. A rendered text remembers which of its parts are a stranger's; `write` turns it into what
one service is sent. Nothing here decides who gets a message.
"""

from __future__ import annotations

from watcher.templates.defaults import default_message, digest, late_note
from watcher.templates.rendering import (
    Rendered,
    Template,
    TemplateError,
    compile_template,
    render,
    render_digest,
)
from watcher.templates.services import FORMATS, Written, service_of, write
from watcher.templates.text import Text, joined

__all__ = [
    "FORMATS",
    "Rendered",
    "Template",
    "TemplateError",
    "Text",
    "Written",
    "compile_template",
    "default_message",
    "digest",
    "joined",
    "late_note",
    "render",
    "render_digest",
    "service_of",
    "write",
]
