"""Values as JSON: in one line that is safe to print, and as a store keeps them.

Rules: pure. What is escaped is escaped as JSON has it, so that a reader gets the same values: no character
steers a terminal or hides another. Pydantic is imported when the first value is read or written: commands
that look at no conversation start without it.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Stored", "json_line"]

T = TypeVar("T")

_UNSAFE = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
"""DEL and the C1 controls, and Unicode's invisible format characters: bidirectional and zero width signs,
separators of lines and paragraphs.
"""


def json_line(value: Any, **options: Any) -> str:
    """Return a value as JSON in one line. `options` are those of `json.dumps`."""
    options = {"separators": (",", ":"), **options, "ensure_ascii": False}
    # Outside of texts JSON is plain ASCII, so whatever is found stands in one.
    return _UNSAFE.sub(lambda found: json.dumps(found.group())[1:-1], json.dumps(value, **options))


class Stored(Generic[T]):
    """How values of a type are written as JSON and read again."""

    def __init__(self, type_: type[T]) -> None:
        self._type = type_

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        """What reads and writes them."""
        from pydantic import TypeAdapter

        return TypeAdapter(self._type)
