-- What carries the messages of rules with `existing` is no part of the log.

ALTER TABLE events ADD COLUMN existing INTEGER NOT NULL DEFAULT 0;
