-- Schema 25: what administrators had the agent do, written down before it is done; the outcome comes after, once.
CREATE TABLE act (
  act_no   INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  what     TEXT NOT NULL,
  said_by  TEXT NOT NULL,
  account  TEXT NOT NULL,
  about    TEXT NOT NULL,
  outcome  TEXT NOT NULL DEFAULT '',
  ended_at INTEGER
) STRICT;
CREATE TRIGGER act_is_never_deleted BEFORE DELETE ON act
BEGIN SELECT RAISE(ABORT, 'the list of acts only grows'); END;
CREATE TRIGGER act_ends_once BEFORE UPDATE ON act
WHEN OLD.outcome <> '' OR (NEW.act_no, NEW.at, NEW.what, NEW.said_by, NEW.account, NEW.about)
  IS NOT (OLD.act_no, OLD.at, OLD.what, OLD.said_by, OLD.account, OLD.about)
BEGIN SELECT RAISE(ABORT, 'the list of acts only grows'); END;
