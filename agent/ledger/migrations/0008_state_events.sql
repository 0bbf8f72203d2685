-- Schema 8: which events no log row told, found by when they were. No personal data: what they say is in `event`.
CREATE TABLE state_event (
  occurred_at INTEGER NOT NULL,
  event_no    INTEGER NOT NULL,
  PRIMARY KEY (occurred_at, event_no)
) STRICT, WITHOUT ROWID;
