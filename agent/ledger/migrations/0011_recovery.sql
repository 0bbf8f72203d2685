-- Schema 11: what a lost disk would lose, and what a restored ledger still has to recognise.

-- Under which recovery key the catalogue keeps the person's sealed copy; empty: under none yet.
ALTER TABLE person ADD COLUMN kept_under TEXT NOT NULL DEFAULT '';
CREATE INDEX person_by_keeping ON person (kept_under, person_no);

-- Awards that came back from the catalogue as bytes and whose act was not seen again yet. Until it is, the ledger does
-- not know their scope in clear; a row goes when the log told the act again.
CREATE TABLE restored_award (
  first_seq   INTEGER PRIMARY KEY,
  last_seq    INTEGER NOT NULL CHECK (last_seq >= first_seq),
  person_no   INTEGER NOT NULL,
  rule        TEXT NOT NULL,
  event_ref   TEXT NOT NULL,
  scope_ref   TEXT NOT NULL,
  generation  INTEGER NOT NULL,
  event_no    INTEGER,
  decision_no INTEGER NOT NULL,
  scope_known INTEGER NOT NULL DEFAULT 0 CHECK (scope_known IN (0, 1)),
  undone      INTEGER NOT NULL DEFAULT 0 CHECK (undone IN (0, 1))
) STRICT;
CREATE INDEX restored_award_by_event ON restored_award (event_ref);
CREATE INDEX restored_award_by_scope ON restored_award (scope_ref);

-- Up to where each source had been read when its newest acknowledged entry was delivered: acts up to there were decided
-- before, and are only recognised.
CREATE TABLE restored_source (
  source TEXT PRIMARY KEY,
  upto   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
