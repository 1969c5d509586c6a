-- What the hours of a rule hold can go out as one message: `batch` says what waits together.

DROP INDEX deliveries_digest;
CREATE INDEX deliveries_digest ON deliveries (receiver, batch, seq)
    WHERE state = 'pending' AND batch <> '';
