"""Templates: the words in which an event is told to people.

Law: pure. Texts are plain; what a receiver's own format needs (escaping, cutting to its size) is
the notifier's. Nothing here decides who is told.
"""

from __future__ import annotations

from watcher.templates.defaults import default_message
from watcher.templates.rendering import (
    Rendered,
    Template,
    TemplateError,
    compile_template,
    render,
    render_digest,
)
from watcher.templates.summaries import digest, late_note

__all__ = [
    "Rendered",
    "Template",
    "TemplateError",
    "compile_template",
    "default_message",
    "digest",
    "late_note",
    "render",
    "render_digest",
]
