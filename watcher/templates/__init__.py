"""Templates: the words in which an event is told to people.

Law: pure. A rendered text remembers what in it is a stranger's; `write` makes of it what one
service is to be sent. Nothing here decides who is told.
"""

from __future__ import annotations

from watcher.templates._marks import Text, joined
from watcher.templates.defaults import default_message
from watcher.templates.rendering import (
    Rendered,
    Template,
    TemplateError,
    compile_template,
    render,
    render_digest,
)
from watcher.templates.services import FORMATS, Written, service_of, write
from watcher.templates.summaries import digest, late_note

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
