-- `refused`: the spell of the receiver in which it last refused the delivery.

ALTER TABLE deliveries ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
