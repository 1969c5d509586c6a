"""The API keeps to its document: schemathesis asks what the document allows, and what it does not.

Its checks are laws over every route: no mistake of the program, no undocumented status or type, no answer
that breaks its schema, nothing refused that is allowed (nor the reverse), nothing without signing in.
`.ci/run` does it for longer, also with what follows from one answer to the next.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.served import TOKEN
from watcher.api import openapi

EXAMPLES = 3
"""Requests a route, beside those that are made of each border of its schema."""


def conforms(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis against the API, served by a process of its own."""
    serve = (sys.executable, "-m", "tests.api.served", "0")
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"
        command = (
            *(str(Path(sys.executable).parent / "schemathesis"), "run", f"{address}/openapi.json"),
            *("--checks", "all", "--header", f"Authorization: Bearer {TOKEN}"),
            *("--continue-on-failure", "--no-shrink", "--warnings", "off", *options),
        )
        try:
            return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        finally:
            server.send_signal(signal.SIGINT)


def test_every_route_keeps_to_the_document(tmp_path: Path) -> None:
    few = ("--max-examples", str(EXAMPLES), "--generation-deterministic")
    done = conforms(tmp_path, "--phases", "coverage,fuzzing", *few)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi.document()).validate()


def main() -> int:
    """Ask for as many seconds as the first argument says; what follows it is for schemathesis."""
    with tempfile.TemporaryDirectory() as folder:
        done = conforms(Path(folder), "--max-time", *sys.argv[1:])
    sys.stdout.write(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
