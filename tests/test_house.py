"""The house's rules that no linter knows: whole classes, import contracts that bite, no addresses.

Ruff, mypy and the import contracts themselves are steps of `.ci/run`, with the locked versions: a new
release of a linter fails no user's tests.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BREAKS = {
    "a provider that talks HTTP": ("watcher/providers/leadping/__init__.py", "import httpx"),
    "a decision that reads the clock": ("watcher/pipeline/settle.py", "import time"),
    "a provider that knows another": (
        "watcher/providers/chatwoot/__init__.py",
        "import watcher.providers.leadping",
    ),
    "an import that points upwards": ("watcher/store/memory.py", "import watcher.daemon"),
    "siblings that know each other": ("watcher/diff.py", "import watcher.rules"),
    "a loop that names a store": ("watcher/poller/source.py", "import watcher.store.sqlite"),
    "a kind of receiver that the configuration knows": (
        "watcher/config/plugins.py",
        "import watcher.notify.webhook",
    ),
    "settings that know a rule": ("watcher/settings/values.py", "import watcher.rules"),
    "a simulator that shares code with a provider": (
        "watcher/simulator/chatwoot/__init__.py",
        "import watcher.providers.chatwoot",
    ),
    "the plug-in authors' tests in the program": (
        "watcher/config/discovery.py",
        "import watcher.testing",
    ),
    "a second import of the evaluator": ("watcher/conditions/evaluate.py", "import cel"),
    "Apprise in the daemon's process": ("watcher/notify/apprise.py", "import apprise"),
    "a module without a layer": ("watcher/helpers.py", "x = 1"),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_broken_import_contract_is_noticed(case: str, tmp_path: Path) -> None:
    file, line = BREAKS[case]
    shutil.copytree(ROOT / "watcher", tmp_path / "watcher")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    broken = tmp_path / file
    assert broken.exists() or case == "a module without a layer", f"{file} has moved"
    text = broken.read_text() if broken.exists() else "from __future__ import annotations\n"
    broken.write_text(text.replace("import annotations\n", f"import annotations\n{line}\n", 1))
    program = (
        "import sys; sys.path.insert(0, '.'); "
        "from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    assert "BROKEN" in done.stdout or "missing layer" in done.stdout.lower(), done.stdout


def test_no_class_is_spread_over_files() -> None:
    """A class that exists to be inherited once, by a class of another file, is one class cut in two."""
    classes: set[tuple[str, str]] = set()
    heirs: defaultdict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for path in (ROOT / "watcher").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text())
        imported = {
            name.asname or name.name: (node.module or "", name.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes.add((module, node.name))
                for base in node.bases:
                    if isinstance(base, ast.Name):
                        origin = imported.get(base.id, (module, base.id))
                        heirs[origin].add((module, node.name))
    spread = {
        f"{'.'.join(base)} and {'.'.join(heir)}"
        for base, (heir, *others) in heirs.items()
        if base in classes and not others and heir[0] != base[0]
    }
    assert not spread


FORBIDDEN = re.compile(
    "pyp" + r"i\.org|pythonhoste" + r"d|deb\.debia" + r"n|npmj" + r"s\.(org|com)|/wor" + "k/main"
)


def test_no_registry_address_is_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:  # an unpacked archive rather than a checkout
        names = [str(path.relative_to(ROOT)) for path in (ROOT / "watcher").rglob("*.py")]
    else:
        names = [name for name in listed.stdout.split("\0") if name]
    for name in names:
        text = (ROOT / name).read_bytes().decode(errors="replace")
        assert FORBIDDEN.search(text) is None, name
