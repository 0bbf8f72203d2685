-- Schema 10: a lot lives from the time of the act that earned it. Acts are recorded in any order, so what is due is found
-- by blocks of entries.

-- Entries `first_seq` to `last_seq` opened lots of `currency`: when the next of them is over (NULL: all are), and the
-- next to be told beforehand (NULL: all were).
CREATE TABLE lot_block (
  currency  TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq  INTEGER NOT NULL,
  next_at   INTEGER,
  tell_at   INTEGER,
  PRIMARY KEY (currency, first_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX lot_block_next ON lot_block (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX lot_block_tell ON lot_block (tell_at) WHERE tell_at IS NOT NULL;

-- The newest entry that a block was made of.
CREATE TABLE lot_listed (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO lot_listed VALUES (1, 0);

-- Entries that a merge gave instead of others: their lots keep the terms of the entry that was first.
CREATE TABLE lot_moved (seq INTEGER PRIMARY KEY, of_seq INTEGER NOT NULL) STRICT;

ALTER TABLE currency_terms DROP COLUMN done_seq;
ALTER TABLE currency_terms DROP COLUMN told_seq;
