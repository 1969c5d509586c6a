-- What rules with `repeat`, `digest`, `hours` and `throttle` need, and what people want to know later.
-- `kind` says what a delivery is, `number` counts the messages of its rule about one state, `batch`
-- names the digest it waits for, `message` the digest it went out with, `candidates` (a JSON list)
-- the rules that would send it, `held` whether its rule's hours have put it out of the order,
-- `redirected` for whom it was meant first.

ALTER TABLE deliveries ADD COLUMN kind TEXT NOT NULL DEFAULT 'event';
ALTER TABLE deliveries ADD COLUMN number INTEGER NOT NULL DEFAULT 1;
ALTER TABLE deliveries ADD COLUMN batch TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN message TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN candidates TEXT NOT NULL DEFAULT '[]';
ALTER TABLE deliveries ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN redirected TEXT NOT NULL DEFAULT '';
UPDATE deliveries SET kind = 'for' WHERE timer IS NOT NULL;

DROP INDEX deliveries_order;
CREATE INDEX deliveries_order ON deliveries (receiver, topic, seq)
    WHERE state = 'pending' AND kind = 'event' AND held = 0;
CREATE INDEX deliveries_digest ON deliveries (receiver, batch, seq)
    WHERE state = 'pending' AND kind = 'digest';
CREATE INDEX deliveries_message ON deliveries (message) WHERE message <> '';
CREATE INDEX deliveries_topic ON deliveries (topic, seq);

-- What every rule said of the event when it was recorded: JSON, deflated; null for older events.
ALTER TABLE events ADD COLUMN verdicts BLOB;

-- What was done and decided about each delivery; goes with it.
CREATE TABLE history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery TEXT NOT NULL REFERENCES deliveries (key) ON DELETE CASCADE,
    at INTEGER,
    kind TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    note TEXT NOT NULL,
    status INTEGER,
    excerpt TEXT NOT NULL,
    seconds REAL
);

CREATE INDEX history_delivery ON history (delivery, seq);

-- When a rule with `throttle` last sent, to whom, about what (`subject`), and until when that counts.
CREATE TABLE marks (
    receiver TEXT NOT NULL,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    delivery TEXT NOT NULL,
    PRIMARY KEY (receiver, rule, subject)
);

-- Silences that people added; `suppressed` counts what those and the configured ones have stopped.
CREATE TABLE silences (
    id TEXT PRIMARY KEY,
    match TEXT NOT NULL,
    reason TEXT NOT NULL,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL
);

CREATE TABLE suppressed (
    silence TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    last INTEGER NOT NULL
);
