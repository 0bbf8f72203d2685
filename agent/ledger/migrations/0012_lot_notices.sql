-- Schema 12: what soon expires is told to callbacks too: a notice for each account and look, numbered, never changed.
CREATE TABLE lot_notice (
  notice_no INTEGER PRIMARY KEY AUTOINCREMENT,
  person_no INTEGER NOT NULL,
  currency  TEXT NOT NULL,
  amount    INTEGER NOT NULL CHECK (amount > 0),
  ends_at   INTEGER NOT NULL,
  told_at   INTEGER NOT NULL
) STRICT;
ALTER TABLE reader ADD COLUMN acked_notice INTEGER NOT NULL DEFAULT 0;
