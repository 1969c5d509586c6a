"""The house's own rules, checked by machines: lint, types, import contracts, size, no addresses."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def run(*command: str, at: Path = ROOT) -> subprocess.CompletedProcess[str]:
    program = BIN / command[0]
    return subprocess.run(
        [str(program), *command[1:]], cwd=at, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "watcher", "tests", "deploy"),
        ("mypy",),
    ],
    ids=" ".join,
)
def test_lint_and_types_are_clean(command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


BREAKS = {
    "a provider that talks HTTP": ("watcher/providers/leadping/__init__.py", "import httpx"),
    "a decision that reads the clock": ("watcher/pipeline/settle.py", "import time"),
    "a provider that knows another": (
        "watcher/providers/chatwoot/__init__.py",
        "import watcher.providers.leadping",
    ),
    "an import that points upwards": ("watcher/store/memory.py", "import watcher.daemon"),
    "siblings that know each other": ("watcher/diff.py", "import watcher.rules"),
    "a loop that names a store": ("watcher/poller/desk.py", "import watcher.store.sqlite"),
    "a simulator that shares code with a provider": (
        "watcher/simulator/chatwoot/__init__.py",
        "import watcher.providers.chatwoot",
    ),
    "Apprise in the daemon's process": ("watcher/notify/apprise.py", "import apprise"),
    "a module without a layer": ("watcher/helpers.py", "x = 1"),
}


def test_the_import_contracts_hold() -> None:
    done = run("lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("case", BREAKS)
def test_a_broken_import_contract_is_noticed(case: str, tmp_path: Path) -> None:
    file, line = BREAKS[case]
    shutil.copytree(ROOT / "watcher", tmp_path / "watcher")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    broken = tmp_path / file
    text = broken.read_text() if broken.exists() else "from __future__ import annotations\n"
    broken.write_text(text.replace("import annotations\n", f"import annotations\n{line}\n", 1))
    program = (
        "import sys; sys.path.insert(0, '.'); "
        "from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )
    done = run(Path(sys.executable).name, "-c", program, at=tmp_path)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    assert "BROKEN" in done.stdout or "missing layer" in done.stdout.lower(), done.stdout


def test_rooms_stay_small() -> None:
    for path in (ROOT / "watcher").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 320, path


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
