-- Schema 23: the ids (after, upto) of a source of which something could not be looked up when they were read.
CREATE TABLE source_unsure (
  source TEXT PRIMARY KEY,
  after  INTEGER NOT NULL,
  upto   INTEGER NOT NULL
) STRICT;
