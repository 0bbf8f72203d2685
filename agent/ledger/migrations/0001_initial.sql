-- The ledger, schema 1. One writer; STRICT; what must never change refuses to.
-- Locality rules the indexes: a row lands beside the rows of the same time or the same scope, never at random
-- (docs/adr/0004-indexes-follow-time-and-scope.md).

-- Small names for long texts: rules, meters, sources, currencies, versions … (kind tells the name spaces apart).
CREATE TABLE name (
  no   INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('rule', 'meter', 'source', 'kind', 'lms_event')),
  text TEXT NOT NULL,
  UNIQUE (kind, text)
) STRICT;

-- Persons stand apart: erasing this row (and the person's events) leaves nothing that leads back to them.
CREATE TABLE person (
  person_no  INTEGER PRIMARY KEY,
  site       TEXT NOT NULL,
  lms_user   TEXT NOT NULL,
  secret     BLOB NOT NULL CHECK (length(secret) = 32),
  pseudonym  TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  UNIQUE (site, lms_user)
) STRICT;

-- Every text of the rules that ever decided something.
CREATE TABLE rules_version (
  version_no INTEGER PRIMARY KEY,
  version    TEXT NOT NULL UNIQUE,
  text       TEXT NOT NULL,
  first_at   INTEGER NOT NULL
) STRICT;

-- What was seen, as it was first seen. Keyed by time first: the same fact has the same time, so a repeat is found
-- beside its neighbours.
CREATE TABLE event (
  event_no    INTEGER PRIMARY KEY,
  occurred_at INTEGER NOT NULL,
  event_id    BLOB NOT NULL CHECK (length(event_id) = 32),
  source_no   INTEGER NOT NULL,
  position    INTEGER NOT NULL,
  trust       INTEGER NOT NULL CHECK (trust BETWEEN 0 AND 3),
  recorded_at INTEGER NOT NULL,
  payload     BLOB NOT NULL,
  UNIQUE (occurred_at, event_id)
) STRICT;

-- What each rule said to each recipient of each event, refusals included. Appended; a hold that is settled gets a
-- later decision, never a changed one.
CREATE TABLE decision (
  decision_no INTEGER PRIMARY KEY,
  event_no    INTEGER NOT NULL,
  rule_no     INTEGER NOT NULL,
  version_no  INTEGER NOT NULL,
  role        TEXT NOT NULL,
  learner     TEXT NOT NULL,
  outcome     INTEGER NOT NULL CHECK (outcome BETWEEN 1 AND 4),
  reason      TEXT NOT NULL,
  detail      BLOB
) STRICT;
CREATE INDEX decision_by_event ON decision (event_no);

-- Decisions that wait for somebody or something.
CREATE TABLE hold (
  decision_no INTEGER PRIMARY KEY,
  rule_id     TEXT NOT NULL,
  learner     TEXT NOT NULL,
  scope       TEXT NOT NULL,
  kind        TEXT NOT NULL,
  promise     BLOB NOT NULL,
  held_at     INTEGER NOT NULL,
  state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected', 'superseded')),
  settled_at  INTEGER,
  settled_by  TEXT,
  note        TEXT
) STRICT;
CREATE INDEX hold_open ON hold (rule_id, learner, scope) WHERE state = 'open';

-- The ledger itself. `body` is hashed, sent and never changed; the other columns are this machine's own pointers.
CREATE TABLE entry (
  seq         INTEGER PRIMARY KEY,
  body        BLOB NOT NULL,
  hash        BLOB NOT NULL CHECK (length(hash) = 32),
  person_no   INTEGER NOT NULL,
  event_no    INTEGER,
  decision_no INTEGER
) STRICT;
CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the ledger only grows: answer a wrong entry with a compensating one'); END;
CREATE TRIGGER entry_is_never_deleted BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the ledger only grows: answer a wrong entry with a compensating one'); END;
CREATE TRIGGER entry_follows_the_last BEFORE INSERT ON entry
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entry)
BEGIN SELECT RAISE(ABORT, 'entries are numbered without gaps'); END;

-- A number that an entry points to is never given again: neither erasure nor retention may hand an entry to another.
CREATE TABLE number_used (
  of   TEXT PRIMARY KEY CHECK (of IN ('person', 'event', 'decision')),
  last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER person_number_stays_used BEFORE DELETE ON person
BEGIN
  INSERT INTO number_used VALUES ('person', OLD.person_no)
  ON CONFLICT (of) DO UPDATE SET last = max(last, excluded.last);
END;
CREATE TRIGGER event_number_stays_used BEFORE DELETE ON event
BEGIN
  INSERT INTO number_used VALUES ('event', OLD.event_no)
  ON CONFLICT (of) DO UPDATE SET last = max(last, excluded.last);
END;
CREATE TRIGGER decision_number_stays_used BEFORE DELETE ON decision
BEGIN
  INSERT INTO number_used VALUES ('decision', OLD.decision_no)
  ON CONFLICT (of) DO UPDATE SET last = max(last, excluded.last);
END;

-- Every quota's uses. The meter `once:<rule>` with the scope as bucket is also what makes an award unique:
-- (rule, scope, learner, generation). Bucket before person: today's lessons lie together, a class lies together.
CREATE TABLE quota_use (
  meter_no  INTEGER NOT NULL,
  bucket    TEXT NOT NULL,
  person_no INTEGER NOT NULL,
  slot      INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  amount    INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  freed     INTEGER NOT NULL DEFAULT 0 CHECK (freed IN (0, 1)),
  PRIMARY KEY (meter_no, bucket, person_no, slot)
) STRICT, WITHOUT ROWID;

-- Projection: droppable, rebuilt from the entries.
CREATE TABLE balance (
  person_no INTEGER NOT NULL,
  currency  TEXT NOT NULL,
  amount    INTEGER NOT NULL,
  lifetime  INTEGER NOT NULL,
  PRIMARY KEY (person_no, currency)
) STRICT, WITHOUT ROWID;

-- How far each source is read.
CREATE TABLE source_state (
  source     TEXT PRIMARY KEY,
  position   INTEGER NOT NULL,
  high_water INTEGER NOT NULL,
  start_at   INTEGER,
  running_s  REAL NOT NULL,
  proven_at  INTEGER NOT NULL,
  fault      TEXT NOT NULL DEFAULT '',
  counts     BLOB NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE source_gap (
  source           TEXT NOT NULL,
  lo               INTEGER NOT NULL,
  step             INTEGER NOT NULL,
  hi               INTEGER NOT NULL,
  present          INTEGER NOT NULL,
  opened_running_s REAL NOT NULL,
  high_water       INTEGER NOT NULL,
  state            TEXT NOT NULL CHECK (state IN ('open', 'given_up')),
  PRIMARY KEY (source, lo, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE source_anchor (
  source      TEXT NOT NULL,
  position    INTEGER NOT NULL,
  lms_event   TEXT NOT NULL,
  user        INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL,
  PRIMARY KEY (source, position)
) STRICT, WITHOUT ROWID;

-- The outbox: positions of readers, the one batch each has sealed, and what was answered.
CREATE TABLE reader (
  name         TEXT PRIMARY KEY,
  acked_seq    INTEGER NOT NULL DEFAULT 0,
  attempts     INTEGER NOT NULL DEFAULT 0,
  next_try_at  INTEGER NOT NULL DEFAULT 0,
  last_error   TEXT NOT NULL DEFAULT '',
  last_ok_at   INTEGER,
  fault        TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE TABLE sealed_batch (
  reader    TEXT NOT NULL,
  epoch     INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq  INTEGER NOT NULL CHECK (last_seq >= first_seq),
  head      BLOB NOT NULL CHECK (length(head) = 32),
  body      BLOB NOT NULL,
  sealed_at INTEGER NOT NULL,
  PRIMARY KEY (reader)
) STRICT, WITHOUT ROWID;
CREATE TABLE receipt (
  reader      TEXT NOT NULL,
  epoch       INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  last_seq    INTEGER NOT NULL,
  body        BLOB NOT NULL,
  signature   TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (reader, epoch, first_seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE rejected_entry (
  reader      TEXT NOT NULL,
  seq         INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (reader, seq)
) STRICT, WITHOUT ROWID;

-- Facts about this file and this agent: schema, campus, agent id, epoch, catalogue key …
CREATE TABLE setting (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
