-- Schema 15: one person in several sites. An account may be an alias of one of another site.
ALTER TABLE alias ADD COLUMN into_site TEXT NOT NULL DEFAULT '';
UPDATE alias SET into_site = site;

-- By what sources that are trusted to link say who an account's owner is: MACs under the campus's link key, never the
-- idnumber or address itself.
CREATE TABLE account_tag (
  site     TEXT NOT NULL,
  lms_user TEXT NOT NULL,
  said_by  TEXT NOT NULL,
  tag      TEXT NOT NULL CHECK (length(tag) = 32),
  shared   INTEGER NOT NULL CHECK (shared IN (0, 1)),
  PRIMARY KEY (site, lms_user, said_by)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_by_tag ON account_tag (said_by, tag);

-- Links that nobody may guess: a person decides, with `learner merge`. What is said anew replaces it.
CREATE TABLE link_held (
  site     TEXT NOT NULL,
  lms_user TEXT NOT NULL,
  others   TEXT NOT NULL,
  reason   TEXT NOT NULL,
  held_at  INTEGER NOT NULL,
  PRIMARY KEY (site, lms_user)
) STRICT, WITHOUT ROWID;
