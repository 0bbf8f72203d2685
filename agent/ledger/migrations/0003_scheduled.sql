-- Schema 3: what is decided at a time.

-- Since when a scheduled reward is in force, by the time of the acts that were read then: what ended before is not paid.
CREATE TABLE schedule (
  scheduled TEXT PRIMARY KEY,
  since     INTEGER NOT NULL,
  in_force  INTEGER NOT NULL CHECK (in_force IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Every run by its nominal time. `as_of_*` are the newest entry and event it looked at, so that it can be repeated;
-- `list` is a draw's participants by pseudonym, `report` what it came to.
CREATE TABLE scheduled_run (
  scheduled     TEXT NOT NULL,
  nominal       INTEGER NOT NULL,
  begins        INTEGER NOT NULL,
  ends          INTEGER NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('failed', 'announced', 'closed')),
  rules_version TEXT NOT NULL,
  counts        INTEGER NOT NULL CHECK (counts IN (0, 1)),
  as_of_seq     INTEGER NOT NULL,
  as_of_event   INTEGER NOT NULL,
  announced_seq INTEGER,
  list          TEXT NOT NULL DEFAULT '',
  report        TEXT NOT NULL DEFAULT '{}',
  error         TEXT NOT NULL DEFAULT '',
  decided_at    INTEGER NOT NULL,
  PRIMARY KEY (scheduled, nominal)
) STRICT, WITHOUT ROWID;
