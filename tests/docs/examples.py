"""The examples of the pages for plug-in authors, as modules."""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType

from tests.docs.pages import Block, blocks

__all__ = ["acme", "buzz", "python", "run"]


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
    return _pair("writing-a-provider.md", "acme_inbox", "class Acme(Provider):", "class TestAcme(")


@cache
def buzz() -> tuple[ModuleType, ModuleType]:
    """Return the receiver of docs/writing-a-receiver.md, and its tests."""
    return _pair("writing-a-receiver.md", "acme_buzz", "class BuzzReceiver(", "class TestBuzz(")


def _pair(page: str, name: str, plugin: str, tests: str) -> tuple[ModuleType, ModuleType]:
    """Return a page's plug-in, and its tests, which import it by its name."""
    module = run(python(page, plugin), name)
    sys.modules[name] = module
    try:
        return module, run(python(page, tests), f"test_{name}")
    finally:
        del sys.modules[name]
