-- Schema 7: accounts that were merged into others. What they do later is the other's.
CREATE TABLE alias (
  site      TEXT NOT NULL,
  lms_user  TEXT NOT NULL,
  into_user TEXT NOT NULL,
  merged_at INTEGER NOT NULL,
  merged_by TEXT NOT NULL,
  reason    TEXT NOT NULL,
  PRIMARY KEY (site, lms_user)
) STRICT, WITHOUT ROWID;
