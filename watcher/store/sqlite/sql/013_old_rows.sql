-- What is old enough to go is found without a look at the rest.

CREATE INDEX deliveries_old ON deliveries (coalesce(settled, created))
    WHERE state <> 'pending' AND (timer IS NULL OR over = 1);
DROP INDEX events_time;
CREATE INDEX events_time ON events (time, seq);
