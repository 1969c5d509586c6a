-- Who did what, and who has taken which conversation: since when, and what the log had told until then (`seq`).

CREATE TABLE actions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    via TEXT NOT NULL,
    what TEXT NOT NULL,
    target TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX actions_at ON actions (at);

CREATE TABLE acknowledgements (
    source TEXT NOT NULL,
    conversation TEXT NOT NULL,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    via TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (source, conversation)
) WITHOUT ROWID;
CREATE INDEX acknowledgements_at ON acknowledgements (at);
