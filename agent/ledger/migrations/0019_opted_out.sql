-- Schema 19: who wants no part. Acts from `since` until before `until` (NULL: until further notice) earn nothing.
CREATE TABLE opted_out (
  site     TEXT NOT NULL,
  lms_user TEXT NOT NULL,
  since    INTEGER NOT NULL,
  until    INTEGER,
  said_by  TEXT NOT NULL,
  PRIMARY KEY (site, lms_user, since)
) STRICT, WITHOUT ROWID;
