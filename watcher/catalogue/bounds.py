"""How large the values of a conversation can be: more of them does not come in.

Rules: values alone. `watcher.pipeline.sanitize` enforces them; whatever reckons with the worst asks here.
"""

from __future__ import annotations

__all__ = ["LONGEST_TEXT", "LONGEST_WORD", "MOST_LABELS", "MOST_PARTS"]

LONGEST_WORD = 2_000
"""Characters of a name, an address, a label, a status. The rest is cut off."""

LONGEST_TEXT = 100_000
"""Characters of a message, and of all text in one attribute.

An event contains the text of a message up to three times.
"""

MOST_PARTS = 5_000
"""Values within one attribute."""

MOST_LABELS = 1_000
