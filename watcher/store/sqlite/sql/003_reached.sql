-- Fingerprints (a JSON list) of a receiver's addresses that a delivery has reached, where it has several.

ALTER TABLE deliveries ADD COLUMN reached TEXT NOT NULL DEFAULT '[]';
