-- Schema 24: what of a source could not be taken. `what` it was is its LMS name or kind (empty: it could not be read),
-- `fault` what failed and where in the program, of this version.
CREATE TABLE set_aside (
  source       TEXT NOT NULL,
  position     INTEGER NOT NULL,
  what         TEXT NOT NULL,
  fault        TEXT NOT NULL,
  version      TEXT NOT NULL,
  set_aside_at INTEGER NOT NULL,
  PRIMARY KEY (source, position)
) STRICT, WITHOUT ROWID;
