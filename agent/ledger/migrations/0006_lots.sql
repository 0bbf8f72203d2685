-- Schema 6: lots. What expires stands in a statement of its own, never in the chain.

-- Under which terms entries after `since_seq` open lots. `done_seq` and `told_seq` are how far it was looked for lots
-- that are over, or soon will be: within one row they come due in the order of the entries.
CREATE TABLE currency_terms (
  currency      TEXT NOT NULL,
  since_seq     INTEGER NOT NULL,
  expires_after INTEGER,
  overdraw      TEXT NOT NULL CHECK (overdraw IN ('owe', 'forgive')),
  done_seq      INTEGER NOT NULL DEFAULT 0,
  told_seq      INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (currency, since_seq)
) STRICT, WITHOUT ROWID;

-- Movements that are not the chain's. `after_seq` is the newest entry that stood before, `of` the lot's entry_id.
CREATE TABLE statement (
  no          INTEGER PRIMARY KEY,
  after_seq   INTEGER NOT NULL,
  person_no   INTEGER NOT NULL,
  currency    TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('spend', 'expiry', 'refund')),
  amount      INTEGER NOT NULL,
  of          TEXT NOT NULL,
  occurred_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX statement_of_person ON statement (person_no, currency);
CREATE TRIGGER statement_is_never_changed BEFORE UPDATE ON statement
BEGIN SELECT RAISE(ABORT, 'the statement only grows'); END;
