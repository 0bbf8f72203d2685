-- Schema 13: which events were told by posts that lack a part of their key, found by when they were; `told` is the id of
-- the event that a post turned out to be about, empty as long as none or several could be. No personal data.
CREATE TABLE partial_event (
  occurred_at INTEGER NOT NULL,
  event_no    INTEGER NOT NULL,
  told        BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (occurred_at, event_no)
) STRICT, WITHOUT ROWID;
