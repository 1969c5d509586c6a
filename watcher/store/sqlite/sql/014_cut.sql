-- `cut` counts the attempts of a delivery in a row that began and never settled: the process died in them.

ALTER TABLE deliveries ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;
