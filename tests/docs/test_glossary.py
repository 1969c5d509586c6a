"""Every noun of the code stands in the glossary of the architecture page."""

from __future__ import annotations

import ast
import re

from tests.docs.pages import ROOT, read, rows

APART = {"errors.py"}
"""Errors are named after the recovery; the module draws their tree."""

SERVICES = {"chatwoot", "leadping", "leadway", "level"}
"""Classes that are named after the service whose provider they are."""


def words(text: str) -> set[str]:
    """Return single words in lower case and in the singular."""
    return {word.removesuffix("s") for word in re.findall(r"[a-z]+", text.lower())}


def nouns() -> dict[str, str]:
    """Return the last word of every public class's name, with the class; exceptions left out."""
    found: dict[str, str] = {}
    for path in (ROOT / "watcher").rglob("*.py"):
        if path.name in APART:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                *_, last = re.findall(r"[A-Z][a-z]+|[A-Z]+(?![a-z])", node.name)
                bases = {ast.unparse(base) for base in node.bases}
                if not any(base.endswith(("Error", "Exception")) for base in bases):
                    found[last.lower().removesuffix("s")] = f"{path.relative_to(ROOT)}: {node.name}"
    return found


def test_every_noun_of_the_code_is_in_the_glossary() -> None:
    page = read("architecture.md")
    glossary = page[page.index("## Glossary") :]
    known = set().union(*(words(cells[0]) for cells in rows(glossary)))
    missing = {noun: where for noun, where in nouns().items() if noun not in known | SERVICES}
    assert not missing
