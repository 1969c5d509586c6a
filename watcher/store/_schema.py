"""Opening the file: is it ours, is it sound, and is its schema this program's?

Law: the writing connection is made here and nowhere else; no method of the store is known here.
Migrations are the files `sql/NNN_name.sql`, numbered from 1 without gaps; a released one is never
edited. SQLite's `user_version` says which have been applied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from watcher.errors import StoreError

__all__ = ["APPLICATION_ID", "check_version", "migrate", "migrations", "open_writer", "store_error"]

APPLICATION_ID = 0x696E6277
"""Marks the file as ours (`inbw` in its header), so that no other program's database is touched."""


def migrations() -> Sequence[str]:
    """Give the schema's steps in their order; the last one's number is this program's version."""
    files = resources.files("watcher.store").joinpath("sql").iterdir()
    steps = sorted((file for file in files if file.name.endswith(".sql")), key=lambda f: f.name)
    return [step.read_text(encoding="utf-8") for step in steps]


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the only writing connection, create or migrate the schema; raises StoreError."""
    try:
        if not path.exists():
            path.touch(mode=0o600)  # it will hold personal data; SQLite's side files follow it
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise store_error(path, error) from error
    try:
        _check_owner(connection, path)
        steps = migrations()
        check_version(path, _pragma(connection, "user_version"), len(steps))
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise StoreError(
                f"{path}: this file system cannot hold the store (no WAL mode); use a local disk"
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, steps)
    except sqlite3.Error as error:
        connection.close()
        raise store_error(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, steps: Sequence[str]) -> None:
    """Apply the steps that the file lacks, all of them in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, step in enumerate(steps, 1):
            if number > _pragma(connection, "user_version"):
                for statement in _statements(step):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_version(path: Path, version: int, own: int, *, exact: bool = False) -> None:
    """Refuse a file whose schema this program cannot use; a reader (`exact`) cannot migrate."""
    if version > own:
        raise StoreError(
            f"{path} was written by a newer inbox-watcher (schema {version}, this one knows {own});"
            " install that version or restore a backup"
        )
    if exact and version < own:
        raise StoreError(
            f"{path} has an older schema ({version}, this program has {own});"
            " start `inbox-watcher run` once to bring it up to date"
        )


def store_error(path: Path, error: Exception) -> StoreError:
    """Say in one line what SQLite complains about, and what a person can do."""
    name = "SQLITE_PERM" if isinstance(error, OSError) else getattr(error, "sqlite_errorname", "")
    match name.split("_")[1] if name.startswith("SQLITE_") else "":
        case "NOTADB" | "CORRUPT":
            remedy = "it is damaged or no SQLite database: restore a backup or move it away"
        case "FULL":
            remedy = "make room on the disk"
        case "CANTOPEN" | "PERM" | "READONLY" | "AUTH":
            remedy = "check that the path exists and who may read and write it and its directory"
        case "BUSY" | "LOCKED":
            remedy = "another program holds it: close that one"
        case _:
            remedy = "check the disk, then start again"
    return StoreError(f"the store {path} failed: {error}; {remedy}")


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse another program's database before anything in it is changed."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreError(
            f"{path} is a database of another program; choose another path for `store`"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _statements(script: str) -> Iterator[str]:
    """Split a script in which each statement begins on a line of its own; `executescript` will
    not do, it commits before it begins.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
