-- Schema 2: an event can undo an award.

-- The outcome `reversed` (5). A CHECK cannot be altered, so the table is made anew.
CREATE TABLE decision_2 (
  decision_no INTEGER PRIMARY KEY,
  event_no    INTEGER NOT NULL,
  rule_no     INTEGER NOT NULL,
  version_no  INTEGER NOT NULL,
  role        TEXT NOT NULL,
  learner     TEXT NOT NULL,
  outcome     INTEGER NOT NULL CHECK (outcome BETWEEN 1 AND 5),
  reason      TEXT NOT NULL,
  detail      BLOB
) STRICT;
INSERT INTO decision_2 SELECT * FROM decision;
DROP TABLE decision;
ALTER TABLE decision_2 RENAME TO decision;
CREATE INDEX decision_by_event ON decision (event_no);
CREATE TRIGGER decision_number_stays_used BEFORE DELETE ON decision
BEGIN
  INSERT INTO number_used VALUES ('decision', OLD.decision_no)
  ON CONFLICT (of) DO UPDATE SET last = max(last, excluded.last);
END;

-- What an award that can be undone had taken, by the marker of its uses: the seq of its first entry, or below zero the
-- number of a decision without entries. Decisions go with retention; this stays as long as the award can be undone.
CREATE TABLE undoable (
  marker    INTEGER PRIMARY KEY,
  person_no INTEGER NOT NULL,
  award     BLOB NOT NULL
) STRICT;
