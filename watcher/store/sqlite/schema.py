"""Opening the file: is it ours, is it sound, and is its schema this program's?

Rules: the writing connection is made here and nowhere else; no method of the store is known here.
Migrations are the files `sql/NNN_name.sql`, numbered from 1 without gaps; a released one is never
edited. SQLite's `user_version` says which have been applied.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from watcher import descriptors
from watcher.errors import StatementEnded, StoreDamaged, StoreError, StoreUnavailable
from watcher.store.sqlite import rows
from watcher.store.sqlite.budget import MOST_STEPS, BudgetedConnection
from watcher.store.sqlite.packing import pack_text
from watcher.store.sqlite.place import WRITE, check_file, check_folder

__all__ = [
    "APPLICATION_ID",
    "BUSY",
    "INCREMENTAL",
    "check_version",
    "migrate",
    "migrations",
    "open_writer",
    "store_error",
]

APPLICATION_ID = 0x696E6277
"""Marks the file as ours (`inbw` in its header), so that no other program's database is touched."""


_DAMAGED = (
    "it is damaged or no SQLite database: restore a backup or move it away"
    " (with the files beside it that end in -wal and -shm)"
)
_FOR_GOOD = frozenset({"SQLITE_IOERR_FSYNC", "SQLITE_IOERR_CORRUPTFS", "SQLITE_IOERR_DATA"})
"""Errors after which the content of the disk is unknown: another attempt would hide that."""

INCREMENTAL = 2
"""SQLite's number for a file that gives free pages back where it is asked to."""

LARGEST_WAL = 64 * 1024 * 1024
"""The size in bytes to which the WAL is cut once all of it is in the file."""

DERIVED = {
    "words_of": rows.words_of_document,
    "waiting_of": rows.waiting_of_document,
    "packed": pack_text,
}
"""Functions of a stored conversation that steps of the schema may call."""

BUSY = 3.0
"""Seconds that SQLite itself waits for another program's lock."""


def migrations() -> Sequence[str]:
    """Return the schema's steps in their order; the last one's number is this program's version."""
    files = resources.files("watcher.store.sqlite").joinpath("sql").iterdir()
    steps = sorted((file for file in files if file.name.endswith(".sql")), key=lambda f: f.name)
    return [step.read_text(encoding="utf-8") for step in steps]


def open_writer(path: Path, *, thorough: bool = False, durable: bool = True) -> BudgetedConnection:
    """Open the only writing connection, create or migrate the schema; raises StoreError.

    `thorough`: every page of the file is looked at first, as after an end that was not orderly. Without
    `durable` no commit waits for the disk: for a file that goes with the process.
    """
    try:
        check_folder(path.parent)
        check_file(path)
        if path.exists() and path.stat().st_size:
            _inspect(path, thorough=thorough)
        else:
            _refuse_orphan(path)
            # It will hold personal data; SQLite's side files follow its mode.
            os.close(os.open(path, WRITE, 0o600))
        connection = sqlite3.connect(
            path,
            timeout=BUSY,
            isolation_level=None,
            check_same_thread=False,
            factory=BudgetedConnection,
        )
    except (OSError, sqlite3.Error) as error:
        raise store_error(path, error) from error
    try:
        # Of a store that exists already, this changes nothing.
        connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise StoreError(
                f"{path}: this file system cannot hold the store (no WAL mode); use a local disk"
            )
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        connection.execute(f"PRAGMA journal_size_limit = {LARGEST_WAL}")
        connection.execute("PRAGMA secure_delete = ON")  # what was removed is to be gone
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, migrations())
        # What outgrows the cache of a transaction would else be a file, for which there may be no descriptor.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.bound()  # a migration is about all that there is, these about what they take
    except sqlite3.Error as error:
        connection.close()
        raise store_error(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def _inspect(path: Path, *, thorough: bool) -> None:
    """Refuse a file that this program must not touch, before anything in it is changed: a connection
    that can only read moves no page of the WAL into it either.
    """
    try:
        _examine(path, "ro", thorough=thorough)
    except sqlite3.OperationalError as error:
        # Killed before the file was in WAL mode, in its very first transaction: what that left
        # half done must be taken back before anything can be read.
        if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
            raise
        _examine(path, "rw", thorough=thorough)


def _examine(path: Path, mode: str, *, thorough: bool) -> None:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY)) as connection:
        _check_owner(connection, path)
        check_version(path, _pragma(connection, "user_version"), len(migrations()))
        if thorough:
            ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            if found != "ok":
                said = " ".join(found.split())
                raise StoreDamaged(f"the store {path} is damaged ({said}); {_DAMAGED}")


def _refuse_orphan(path: Path) -> None:
    """Refuse an empty file, or none, next to a WAL with content: SQLite would delete that."""
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise StoreDamaged(
            f"{wal} has the end of a store whose beginning, {path}, is missing or empty;"
            " restore both from one backup, or move the first one away"
        )


def migrate(connection: sqlite3.Connection, steps: Sequence[str]) -> None:
    """Apply the steps that the file lacks, all of them in one transaction."""
    for name, derive in DERIVED.items():
        connection.create_function(name, 1, derive, deterministic=True)
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
    """Return an error with SQLite's complaint in one line and what a person can do."""
    name = "SQLITE_PERM" if isinstance(error, OSError) else getattr(error, "sqlite_errorname", "")
    if descriptors.spent(error):
        name = "SQLITE_CANTOPEN"
    kind: type[StoreError] = StoreError
    match name.split("_")[1] if name.startswith("SQLITE_") else "":
        case "NOTADB" | "CORRUPT":
            kind, remedy = StoreDamaged, _DAMAGED
        case "FULL":
            kind, remedy = StoreUnavailable, "make room on the disk"
        case "INTERRUPT":
            statement = getattr(error, "statement", "a statement")
            return StatementEnded(
                f"{statement} was ended after {MOST_STEPS:,} steps, for others to go on;"
                " please report it: nothing that the store does should take so many"
            )
        case "BUSY" | "LOCKED":
            kind, remedy = StoreUnavailable, "another program holds it: close that one"
        case "CANTOPEN" if descriptors.none_left():
            kind, remedy = StoreUnavailable, descriptors.ADVICE
        case "CANTOPEN" | "PERM" | "READONLY" | "AUTH":
            remedy = "check that the path exists and who may read and write it and its directory"
        case "IOERR" if name not in _FOR_GOOD:
            kind, remedy = StoreUnavailable, "make room on the disk, check its quota and its health"
        case _:
            remedy = "check the disk, then start again"
    return kind(f"the store {path} failed: {error}; {remedy}")


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
