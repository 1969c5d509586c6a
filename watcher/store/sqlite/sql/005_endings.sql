-- Who is to hear that a state is over: `over` says whether a timer's state is (`ended`, whether it waits
-- no more), `uncertain` whether an attempt was cut off and may have arrived, `ending` (JSON) how the
-- state ended.

ALTER TABLE deliveries ADD COLUMN over INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN uncertain INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN ending TEXT NOT NULL DEFAULT '';
UPDATE deliveries SET over = ended;

DROP INDEX deliveries_timer;
CREATE INDEX deliveries_timer ON deliveries (topic, timer, receiver)
    WHERE timer IS NOT NULL AND over = 0;
CREATE INDEX deliveries_leased ON deliveries (receiver) WHERE lease IS NOT NULL;
