-- Schema 16: what the centre did to the wallets of this agent's learners, as it told and signed it.

-- Each page as it came: the bytes of its header, and the header lines that sign it. A page without lines is not kept.
CREATE TABLE centre_page (
  page_no     INTEGER PRIMARY KEY,
  after       INTEGER NOT NULL,
  upto        INTEGER NOT NULL CHECK (upto > after),
  head        BLOB NOT NULL CHECK (length(head) = 32),
  header      BLOB NOT NULL,
  signature   TEXT NOT NULL,
  received_at INTEGER NOT NULL
) STRICT;

-- Each line's bytes, and what stands in them. `after_seq` is the newest entry that its wallet had before it; `entry_seq`
-- the entry that a waiver or an acceptance is about. Names of this agent's own entries are without the agent.
CREATE TABLE centre_line (
  page_no     INTEGER NOT NULL,
  no          INTEGER NOT NULL,
  body        BLOB NOT NULL,
  pseudonym   TEXT NOT NULL,
  currency    TEXT NOT NULL,
  kind        TEXT NOT NULL,
  amount      INTEGER NOT NULL,
  waived      INTEGER NOT NULL,
  ref         TEXT NOT NULL,
  about       TEXT NOT NULL,
  after_seq   INTEGER NOT NULL,
  entry_seq   INTEGER,
  occurred_at INTEGER NOT NULL,
  posted_at   INTEGER NOT NULL,
  PRIMARY KEY (page_no, no)
) STRICT, WITHOUT ROWID;
CREATE INDEX centre_line_of ON centre_line (pseudonym, currency);

-- Pages that the catalogue no longer knows, because it was put back from an older copy.
CREATE TABLE centre_void (
  first_page INTEGER PRIMARY KEY,
  last_page  INTEGER NOT NULL CHECK (last_page >= first_page),
  voided_at  INTEGER NOT NULL
) STRICT;

CREATE VIEW centre_live AS
SELECT * FROM centre_line l
WHERE NOT EXISTS (SELECT 1 FROM centre_void v WHERE l.page_no BETWEEN v.first_page AND v.last_page);

CREATE TRIGGER centre_page_is_never_changed BEFORE UPDATE ON centre_page
BEGIN SELECT RAISE(ABORT, 'the statement only grows'); END;
CREATE TRIGGER centre_page_never_goes BEFORE DELETE ON centre_page
BEGIN SELECT RAISE(ABORT, 'the statement only grows'); END;
CREATE TRIGGER centre_line_is_never_changed BEFORE UPDATE ON centre_line
BEGIN SELECT RAISE(ABORT, 'the statement only grows'); END;
CREATE TRIGGER centre_line_never_goes BEFORE DELETE ON centre_line
BEGIN SELECT RAISE(ABORT, 'the statement only grows'); END;

-- How far the catalogue was heard: its movement `upto`, at `at` by its clock, when it had our entries up to `seq`.
CREATE TABLE centre_stand (
  one         INTEGER PRIMARY KEY CHECK (one = 1),
  upto        INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  attempts    INTEGER NOT NULL DEFAULT 0,
  next_try_at INTEGER NOT NULL DEFAULT 0,
  last_error  TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO centre_stand (one, upto, seq, at) VALUES (1, 0, 0, 0);

-- An entry that was set aside and accepted later counts from there on: after which entry, at which movement.
ALTER TABLE rejected_entry ADD COLUMN accepted_after INTEGER;
ALTER TABLE rejected_entry ADD COLUMN accepted_no INTEGER;
