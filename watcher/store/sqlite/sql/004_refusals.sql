-- Dead deliveries are counted by receiver.

CREATE INDEX deliveries_dead_of ON deliveries (receiver) WHERE state = 'dead';
