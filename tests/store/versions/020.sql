BEGIN TRANSACTION;
CREATE TABLE acknowledgements (
    source TEXT NOT NULL,
    conversation TEXT NOT NULL,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    via TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (source, conversation)
) WITHOUT ROWID;
CREATE TABLE actions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    via TEXT NOT NULL,
    what TEXT NOT NULL,
    target TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE TABLE counts (
    receiver TEXT NOT NULL,
    counted TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (receiver, counted)
);
INSERT INTO "counts" VALUES('team','due',1);
INSERT INTO "counts" VALUES('crm','due',1);
INSERT INTO "counts" VALUES('team','waiting',1);
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
, kind TEXT NOT NULL DEFAULT 'event', number INTEGER NOT NULL DEFAULT 1, batch TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '', candidates TEXT NOT NULL DEFAULT '[]', held INTEGER NOT NULL DEFAULT 0, redirected TEXT NOT NULL DEFAULT '', reached TEXT NOT NULL DEFAULT '[]', over INTEGER NOT NULL DEFAULT 0, uncertain INTEGER NOT NULL DEFAULT 0, ending TEXT NOT NULL DEFAULT '', refused INTEGER NOT NULL DEFAULT 0, aside INTEGER NOT NULL DEFAULT 0, front INTEGER NOT NULL DEFAULT 0, cut INTEGER NOT NULL DEFAULT 0);
INSERT INTO "deliveries" VALUES(1,'e1/team','e1','e1','sales','sales/c1','team','Rule',NULL,0,'pending',0,1795168800000000,1795168800000000,NULL,NULL,'','event',1,'','','[]',0,'','[]',0,0,'',0,0,1,0);
INSERT INTO "deliveries" VALUES(2,'e2/crm','e2','e2','sales','sales','crm','Rule',NULL,0,'pending',0,1795168800000000,1795168800000000,NULL,NULL,'','event',1,'','','[]',0,'','[]',0,0,'',0,0,1,0);
INSERT INTO "deliveries" VALUES(3,'e3.Slow/team','e3.Slow','e3','sales','sales/c1','team','Slow','Slow',0,'pending',0,1795169700000000,1795168800000000,NULL,NULL,'','for',1,'','','[]',0,'','[]',0,0,'',0,0,1,0);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT,
    time INTEGER NOT NULL,
    body TEXT NOT NULL
, verdicts BLOB, existing INTEGER NOT NULL DEFAULT 0);
INSERT INTO "events" VALUES(1,'e1','sales','conversation.unread','c1',1795168800000000,'{"specversion":"1.0","id":"e1","source":"inbox-watcher/sales","type":"conversation.unread","subject":"c1","time":"2026-11-20T10:00:00.000Z","datacontenttype":"application/json","data":{"source":"sales","text":"Grüße 🙂"}}',NULL,0);
INSERT INTO "events" VALUES(2,'e2','sales','source.failing',NULL,1795168800000000,'{"specversion":"1.0","id":"e2","source":"inbox-watcher/sales","type":"source.failing","time":"2026-11-20T10:00:00.000Z","datacontenttype":"application/json","data":{"source":"sales","text":"Grüße 🙂"}}',NULL,0);
INSERT INTO "events" VALUES(3,'e3','sales','conversation.unread','c1',1795168800000000,'{"specversion":"1.0","id":"e3","source":"inbox-watcher/sales","type":"conversation.unread","subject":"c1","time":"2026-11-20T10:00:00.000Z","datacontenttype":"application/json","data":{"source":"sales","text":"Grüße 🙂"}}',NULL,0);
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
CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
CREATE TABLE marks (
    receiver TEXT NOT NULL,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    delivery TEXT NOT NULL,
    PRIMARY KEY (receiver, rule, subject)
);
CREATE TABLE receivers (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
);
INSERT INTO "receivers" VALUES('crm','{"name":"crm","target":"","failures":2,"failing":null,"off":"","counts":{},"paused":null,"probes":0,"failed":[],"why":"","refused":[],"taken":null,"works":null,"turned":null}');
CREATE TABLE shown (
    number INTEGER PRIMARY KEY,
    fields TEXT NOT NULL UNIQUE
);
INSERT INTO "shown" VALUES(1,'["unread"]');
CREATE TABLE silences (
    id TEXT PRIMARY KEY,
    match TEXT NOT NULL,
    reason TEXT NOT NULL,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL
, author TEXT NOT NULL DEFAULT '');
CREATE TABLE sizes (
    source TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
);
INSERT INTO "sizes" VALUES('sales',694);
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
    conversation TEXT NOT NULL, evidence TEXT, doubt TEXT, prints TEXT, words TEXT, waiting INTEGER, size INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, id)
);
INSERT INTO "snapshots" VALUES('sales','c1',1,1,1,0,1795168800000000,NULL,'1','{}',X'0183A6BC64FC2913228825EFA1A44B10A7163DE51391CD114912EA9A5243949C5E4B642A8548539446216244A607685021C53C3C8121873100',NULL,NULL,NULL,NULL,NULL,355);
INSERT INTO "snapshots" VALUES('sales','gone',1,0,0,1,1795168800000000,NULL,'1','{}',X'0183A6BC7450C2C29736218258721F4ACA04716AD1D33EFE24098D13725225449AA23409112332FEA1018314D3F004851CA600',NULL,NULL,NULL,NULL,NULL,339);
CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
);
INSERT INTO "sources" VALUES('sales','{"name":"sales","provider":"chatwoot","account":"account 3","baselined":"2026-11-20T10:00:00Z","baseline_started":null,"baseline_top":null,"polled":null,"swept":null,"newest":null,"counts":{},"learned":{"cap":9},"mapping":"","empty_sweeps":0,"suspects":[],"held_suspects":[],"arrivals":"","failing":null,"existing":[],"hold":null,"skew":null}');
CREATE TABLE suppressed (
    silence TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    last INTEGER NOT NULL
);
CREATE TABLE tallies (
    kind TEXT NOT NULL,
    hour INTEGER NOT NULL,
    name TEXT NOT NULL,
    what TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, hour, name, what)
) WITHOUT ROWID;
INSERT INTO "tallies" VALUES('sources',498658,'sales','',3);
INSERT INTO "tallies" VALUES('types',498658,'conversation.unread','',2);
INSERT INTO "tallies" VALUES('types',498658,'source.failing','',1);
CREATE INDEX snapshots_present ON snapshots (source, id) WHERE present = 1;
CREATE INDEX snapshots_unread ON snapshots (source, id) WHERE present = 1 AND unread = 1;
CREATE INDEX snapshots_unassigned ON snapshots (source, id) WHERE present = 1 AND unassigned = 1;
CREATE INDEX events_subject ON events (subject, seq);
CREATE INDEX events_source ON events (source, seq);
CREATE INDEX deliveries_id ON deliveries (id);
CREATE INDEX deliveries_event ON deliveries (event);
CREATE INDEX deliveries_due ON deliveries (receiver, due, seq) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON deliveries (seq) WHERE state = 'dead';
CREATE INDEX deliveries_message ON deliveries (message) WHERE message <> '';
CREATE INDEX deliveries_topic ON deliveries (topic, seq);
CREATE INDEX history_delivery ON history (delivery, seq);
CREATE INDEX snapshots_id ON snapshots (id);
CREATE INDEX doubted_snapshots ON snapshots (source) WHERE doubt IS NOT NULL;
CREATE INDEX deliveries_order ON deliveries (receiver, topic, seq)
    WHERE state = 'pending' AND kind = 'event' AND held = 0 AND aside = 0;
CREATE INDEX deliveries_front ON deliveries (receiver, due, seq)
    WHERE state = 'pending' AND front = 1 AND batch = '';
CREATE INDEX deliveries_leased ON deliveries (receiver, topic, lease) WHERE lease IS NOT NULL;
CREATE INDEX deliveries_digest ON deliveries (receiver, batch, message, seq)
    WHERE state = 'pending' AND batch <> '';
CREATE INDEX deliveries_digest_due ON deliveries (receiver, due, seq)
    WHERE state = 'pending' AND batch <> '';
CREATE INDEX deliveries_timer ON deliveries (source, topic, seq)
    WHERE timer IS NOT NULL AND over = 0;
CREATE INDEX deliveries_sent
    ON deliveries (receiver, settled, (CASE WHEN message = '' THEN key ELSE message END))
    WHERE state = 'delivered';
CREATE INDEX deliveries_pending ON deliveries (seq) WHERE state = 'pending';
CREATE INDEX deliveries_of ON deliveries (receiver, seq);
CREATE INDEX deliveries_later ON deliveries (receiver, held, due)
    WHERE state = 'pending' AND (held = 1 OR (kind NOT IN ('event', 'resolved') AND attempt = 0));
CREATE INDEX deliveries_died ON deliveries (receiver, settled) WHERE state = 'dead';
CREATE INDEX deliveries_old ON deliveries (coalesce(settled, created))
    WHERE state <> 'pending' AND (timer IS NULL OR over = 1);
CREATE INDEX events_time ON events (time, seq);
CREATE INDEX snapshots_gone ON snapshots (observed) WHERE present = 0 AND seen <> '[]';
CREATE INDEX snapshots_words ON snapshots (words, source, id) WHERE present = 1 AND words IS NOT NULL;
CREATE INDEX snapshots_waiting ON snapshots (waiting, source, id)
    WHERE present = 1 AND waiting IS NOT NULL;
CREATE INDEX events_type ON events (type, seq);
CREATE INDEX deliveries_by ON deliveries (rule, seq);
CREATE INDEX actions_at ON actions (at);
CREATE INDEX acknowledgements_at ON acknowledgements (at);
CREATE TRIGGER snapshot_changed AFTER UPDATE OF size ON snapshots BEGIN
    UPDATE sizes SET bytes = bytes + new.size - old.size WHERE source = new.source;
END;
CREATE TRIGGER snapshot_removed AFTER DELETE ON snapshots BEGIN
    UPDATE sizes SET bytes = bytes - old.size WHERE source = old.source;
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',3);
INSERT INTO "sqlite_sequence" VALUES('deliveries',3);
COMMIT;
PRAGMA user_version = 20;
PRAGMA application_id = 1768841847;
