"""The statements for what stands beside the outbox: history, verdicts, throttle marks, silences.

Law: like `watcher.store._queries`.
"""

# ruff: noqa: S608 - statements are put together from the constants of this file, never from values

from __future__ import annotations

# History

ENTRY = "delivery, at, kind, attempt, note, status, excerpt, seconds"
"""The columns that `watcher.store._rows.read_entry` expects."""

TELL = """
    INSERT INTO history (delivery, at, kind, attempt, note, status, excerpt, seconds)
    VALUES (:key, :at, :kind, :attempt, :note, :status, :excerpt, :seconds)"""
HISTORY = f"""
    SELECT {ENTRY} FROM history
    WHERE delivery IN (SELECT value FROM json_each(?)) ORDER BY delivery, seq"""
ALL_HISTORY = f"SELECT {ENTRY} FROM history ORDER BY seq"

# Verdicts

SAVE_VERDICTS = "UPDATE events SET verdicts = ? WHERE id = ?"
VERDICTS = """
    SELECT id, verdicts FROM events
    WHERE verdicts IS NOT NULL AND id IN (SELECT value FROM json_each(?))"""
ALL_VERDICTS = "SELECT id, verdicts FROM events WHERE verdicts IS NOT NULL"

# Throttle marks and silences

MARK = "m.receiver, m.rule, m.subject, m.at, m.until, m.delivery"
"""The columns that `watcher.store._rows.read_mark` expects."""

MARKS = f"""
    SELECT {MARK}
    FROM json_each(?) w JOIN marks m ON m.receiver = ?
        AND m.rule = json_extract(w.value, '$[0]') AND m.subject = json_extract(w.value, '$[1]')
        LEFT JOIN deliveries d ON d.key = m.delivery
    WHERE d.state IS NULL OR d.state NOT IN ('dead', 'cancelled')"""
ALL_MARKS = f"SELECT {MARK} FROM marks m"
SAVE_MARK = """
    INSERT INTO marks (receiver, rule, subject, at, until, delivery) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (receiver, rule, subject)
        DO UPDATE SET at = excluded.at, until = excluded.until, delivery = excluded.delivery"""
PRUNE_MARKS = "DELETE FROM marks WHERE until < ?"

SILENCE = "id, match, reason, starts, ends"
"""The columns that `watcher.store._rows.read_silence` expects."""

SILENCES = f"SELECT {SILENCE} FROM silences ORDER BY starts, id"
ADD_SILENCE = """
    INSERT INTO silences (id, match, reason, starts, ends) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET match = excluded.match, reason = excluded.reason,
        starts = excluded.starts, ends = excluded.ends"""
EXPIRE_SILENCE = "UPDATE silences SET ends = :now WHERE id = :id AND ends > :now"
PRUNE_SILENCES = "DELETE FROM silences WHERE ends < ?"
SUPPRESSED = "SELECT silence, count, last FROM suppressed"
COUNT_SUPPRESSED = """
    INSERT INTO suppressed (silence, count, last) VALUES (?, 1, ?)
    ON CONFLICT (silence) DO UPDATE SET count = suppressed.count + 1, last = excluded.last"""
