-- Schema 17: who was erased: keyed digests, so that neither a log nor a post nor an old copy brings anybody back.

-- Acts of a marked account from `since` until before `until` (NULL: for ever) make no person and earn nothing. `kept_as`
-- is what the catalogue was last told of the row, empty: nothing yet.
CREATE TABLE suppressed (
  mark      BLOB NOT NULL PRIMARY KEY CHECK (length(mark) = 32),
  why       TEXT NOT NULL CHECK (why IN ('erased')),
  since     INTEGER NOT NULL,
  until     INTEGER,
  marked_at INTEGER NOT NULL,
  marked_by TEXT NOT NULL,
  kept_as   TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- Pseudonyms whose sealed copy the catalogue is still to forget.
CREATE TABLE forgotten (pseudonym TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
