-- Schema 20: vouchers that the catalogue made beforehand, to be given out when there is no line. Their points are taken
-- already, so no clock of ours ends them. What becomes of each is told to the catalogue when there is a line again.
CREATE TABLE allowance (
  key         TEXT PRIMARY KEY,
  person_no   INTEGER NOT NULL,
  reward      TEXT NOT NULL,
  currency    TEXT NOT NULL,
  cohorts     TEXT NOT NULL,
  country     TEXT NOT NULL,
  epoch       INTEGER NOT NULL,
  asked_at    INTEGER NOT NULL,
  asked_by    TEXT NOT NULL,
  doubt_until INTEGER NOT NULL, -- until then an attempt that nobody answered may still arrive
  redemption  TEXT NOT NULL DEFAULT '',
  title       TEXT NOT NULL DEFAULT '',
  paid        INTEGER NOT NULL DEFAULT 0,
  voucher     TEXT NOT NULL DEFAULT '',
  expires_at  INTEGER,
  -- asked: nobody knows yet; kept; shown: the learner has it; returning; settled: the catalogue knows; refused.
  state       TEXT NOT NULL DEFAULT 'asked'
              CHECK (state IN ('asked', 'kept', 'shown', 'returning', 'settled', 'refused')),
  ended       TEXT NOT NULL DEFAULT '' CHECK (ended IN ('', 'spent', 'returned')),
  shown_at    INTEGER,
  shown_by    TEXT NOT NULL DEFAULT '',
  why         TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX allowance_kept ON allowance (person_no, reward) WHERE state = 'kept';
