-- Times are integer microseconds since 1970 in UTC, flags are 0 or 1, documents are JSON.

CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
);

CREATE TABLE receivers (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
);

-- What we believe about each conversation. `unread` and `unassigned` repeat what the document
-- says, so that id sets are read from an index alone.
CREATE TABLE snapshots (
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    present INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    unassigned INTEGER NOT NULL,
    observed INTEGER NOT NULL,
    message_id TEXT,
    seen TEXT NOT NULL,
    counts TEXT NOT NULL,
    conversation TEXT NOT NULL,
    PRIMARY KEY (source, id)
);

CREATE INDEX snapshots_present ON snapshots (source, id) WHERE present = 1;
CREATE INDEX snapshots_unread ON snapshots (source, id) WHERE present = 1 AND unread = 1;
CREATE INDEX snapshots_unassigned ON snapshots (source, id) WHERE present = 1 AND unassigned = 1;

-- The log. `seq` never comes back, not even after the newest events were pruned.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT,
    time INTEGER NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX events_subject ON events (subject, seq);
CREATE INDEX events_source ON events (source, seq);
CREATE INDEX events_time ON events (time);

-- The outbox. `seq` is the order in which deliveries entered it, `topic` the conversation (or the
-- source itself) that they are about, `timer` the rule whose `for` they wait for, `ended` whether
-- that state is over, `lease` until when somebody is sending it.
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL,
    event TEXT NOT NULL REFERENCES events (id),
    source TEXT NOT NULL,
    topic TEXT NOT NULL,
    receiver TEXT NOT NULL,
    rule TEXT NOT NULL,
    timer TEXT,
    ended INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    due INTEGER NOT NULL,
    created INTEGER NOT NULL,
    settled INTEGER,
    lease INTEGER,
    note TEXT NOT NULL
);

CREATE INDEX deliveries_id ON deliveries (id);
CREATE INDEX deliveries_event ON deliveries (event);
CREATE INDEX deliveries_due ON deliveries (receiver, due, seq) WHERE state = 'pending';
CREATE INDEX deliveries_order ON deliveries (receiver, topic, seq)
    WHERE state = 'pending' AND timer IS NULL;
CREATE INDEX deliveries_timer ON deliveries (topic, timer, receiver)
    WHERE timer IS NOT NULL AND ended = 0;
CREATE INDEX deliveries_sent ON deliveries (receiver, settled) WHERE state = 'delivered';
CREATE INDEX deliveries_dead ON deliveries (seq) WHERE state = 'dead';
