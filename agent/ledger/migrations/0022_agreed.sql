-- Schema 22: who has agreed to take part, from `since` until before `until` (NULL: until further notice). What people
-- said (`hand`, `file`) lets acts earn; `lms` only remembers what the LMS told last, for lists and rankings.
CREATE TABLE agreed (
  site     TEXT NOT NULL,
  lms_user TEXT NOT NULL,
  how      TEXT NOT NULL CHECK (how IN ('hand', 'file', 'lms')),
  since    INTEGER NOT NULL,
  until    INTEGER,
  said_by  TEXT NOT NULL,
  PRIMARY KEY (site, lms_user, how, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX agreed_now ON agreed (how) WHERE until IS NULL;
