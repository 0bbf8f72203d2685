-- Schema 18: what learners asked the catalogue for. A wish is written before it is sent, under a key of its own, so that
-- whatever happens it is asked for once. No voucher is kept: it is the learner's.
CREATE TABLE wish (
  wish_no       INTEGER PRIMARY KEY,
  key           TEXT NOT NULL UNIQUE,
  person_no     INTEGER NOT NULL,
  reward        TEXT NOT NULL,
  currency      TEXT NOT NULL,
  cohorts       TEXT NOT NULL,
  country       TEXT NOT NULL,
  asked_at      INTEGER NOT NULL,
  asked_by      TEXT NOT NULL,
  -- Until then an attempt that nobody answered may still arrive.
  doubt_until   INTEGER NOT NULL,
  state         TEXT NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'granted', 'refused', 'void')),
  settled_at    INTEGER,
  why           TEXT NOT NULL DEFAULT '',
  redemption    TEXT NOT NULL DEFAULT '',
  title         TEXT NOT NULL DEFAULT '',
  paid_currency TEXT NOT NULL DEFAULT '',
  paid          INTEGER NOT NULL DEFAULT 0,
  shown_at      INTEGER,
  shown_by      TEXT NOT NULL DEFAULT '',
  CHECK ((state = 'asked') = (settled_at IS NULL)),
  CHECK (state <> 'granted' OR redemption <> '')
) STRICT;
CREATE INDEX wish_open ON wish (person_no, reward) WHERE state = 'asked';
