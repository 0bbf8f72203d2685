-- Schema 21: one person at several agents of the campus.

-- Accounts of which the catalogue is still to be told by what they are known, or whose they are now. Of one that is known
-- by nothing it is told only where that is news: `must` is 1 where digests went, and 2 where it is told whatever this agent
-- tells otherwise. `again` counts what was news while it waited: what was read before is not all.
CREATE TABLE link_untold (
  site     TEXT NOT NULL,
  lms_user TEXT NOT NULL,
  must     INTEGER NOT NULL DEFAULT 0 CHECK (must IN (0, 1, 2)),
  again    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (site, lms_user)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER account_tag_is_news AFTER INSERT ON account_tag
BEGIN INSERT INTO link_untold (site, lms_user, must) VALUES (NEW.site, NEW.lms_user, 0)
  ON CONFLICT (site, lms_user) DO UPDATE SET again = again + 1; END;
CREATE TRIGGER account_tag_gone_is_news AFTER DELETE ON account_tag
BEGIN INSERT INTO link_untold (site, lms_user, must) VALUES (OLD.site, OLD.lms_user, 1)
  ON CONFLICT (site, lms_user) DO UPDATE SET again = again + 1, must = max(must, excluded.must); END;
CREATE TRIGGER alias_is_news AFTER INSERT ON alias
BEGIN INSERT INTO link_untold (site, lms_user, must)
  VALUES (NEW.site, NEW.lms_user, 2), (NEW.into_site, NEW.into_user, 0)
  ON CONFLICT (site, lms_user) DO UPDATE SET again = again + 1, must = max(must, excluded.must); END;
CREATE TRIGGER alias_gone_is_news AFTER DELETE ON alias
BEGIN INSERT INTO link_untold (site, lms_user, must)
  VALUES (OLD.site, OLD.lms_user, 2), (OLD.into_site, OLD.into_user, 1)
  ON CONFLICT (site, lms_user) DO UPDATE SET again = again + 1, must = max(must, excluded.must); END;
CREATE TRIGGER person_is_news AFTER INSERT ON person
WHEN EXISTS (SELECT 1 FROM account_tag t WHERE t.site = NEW.site AND t.lms_user = NEW.lms_user)
BEGIN INSERT INTO link_untold (site, lms_user, must) VALUES (NEW.site, NEW.lms_user, 0)
  ON CONFLICT (site, lms_user) DO UPDATE SET again = again + 1; END;

INSERT OR IGNORE INTO link_untold (site, lms_user, must) SELECT site, lms_user, 2 FROM alias;
INSERT OR IGNORE INTO link_untold (site, lms_user) SELECT DISTINCT site, lms_user FROM account_tag;

-- What persons have at other agents, as the catalogue told it: whose wallets (JSON: agent and pseudonym), their sums by
-- currency (JSON: balance and earned), and why another may be theirs that nobody linked.
CREATE TABLE elsewhere (
  person_no INTEGER PRIMARY KEY,
  mates     TEXT NOT NULL,
  wallets   TEXT NOT NULL,
  held      TEXT NOT NULL
) STRICT;

-- Up to where the catalogue was heard, and when; `other_keys` are agents (JSON) whose link key is another.
CREATE TABLE elsewhere_stand (
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  moved      INTEGER NOT NULL,
  linked     INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  other_keys TEXT NOT NULL
) STRICT;
INSERT INTO elsewhere_stand (one, moved, linked, at, other_keys) VALUES (1, 0, 0, 0, '[]');
