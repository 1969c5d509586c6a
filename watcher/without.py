"""Importing a library without a part of it that nobody here uses, but every process would hold.

Rules: only what a library imports for itself (a shell, a command line, colours) is left out, only while the
library is imported, and only if it was not there before: elsewhere it can still be imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["without"]


class _Empty(ModuleType):
    """A module in which every name is that of an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what only a package has
            raise AttributeError(name)
        return type(name, (), {})


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Put an empty module in the place of each while the block lasts."""
    empty = {name: _Empty(name) for name in modules if name not in sys.modules}
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]
