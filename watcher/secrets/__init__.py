"""Secrets: where the configuration takes them from, and how they are kept out of every other text.

Rules: a value leaves `texts` for those who send it alone. `redactor` knows all values and strikes them out
of what others say and of what is shown; `forms` knows how a value looks when it comes back.
"""

from __future__ import annotations

from watcher.secrets.redactor import Redactor, is_secret, is_sensitive
from watcher.secrets.texts import MissingSecret, SecretText, parse_text

__all__ = ["MissingSecret", "Redactor", "SecretText", "is_secret", "is_sensitive", "parse_text"]
