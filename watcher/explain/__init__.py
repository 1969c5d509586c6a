"""Explanations: what changed, what something waits for, and why, in words for people.

Rules: pure, and one place for all faces: the command line, the API and the pages say what stands here.
A text is one line; where it names a time, that is RFC 3339 in UTC, and a face puts it into its zone
(`values.format_times`).
"""

from __future__ import annotations

__all__: list[str] = []
