-- What a page adds to the size of a source is counted once, by the transaction: a trigger did for every row.

DROP TRIGGER snapshot_added;
