"""The examples of the pages for plug-in authors, as modules."""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType

from tests.docs.pages import Block, blocks

__all__ = ["acme", "python", "run"]


def run(block: Block, name: str) -> ModuleType:
    """Run a block as a module of its own; dataclasses look their module up by name."""
    module = ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(block.text, block.name, "exec"), module.__dict__)  # noqa: S102 - our own page
    finally:
        del sys.modules[name]
    return module


def python(page: str, containing: str) -> Block:
    """Return the block of a page that has this text."""
    (found,) = (
        each for each in blocks("python") if each.page.name == page and containing in each.text
    )
    return found


@cache
def acme() -> tuple[ModuleType, ModuleType]:
    """Return the provider of docs/writing-a-provider.md, and its tests."""
    provider = run(python("writing-a-provider.md", "class Acme(Provider):"), "acme_inbox")
    sys.modules["acme_inbox"] = provider
    try:
        return provider, run(python("writing-a-provider.md", "class TestAcme("), "test_acme")
    finally:
        del sys.modules["acme_inbox"]
