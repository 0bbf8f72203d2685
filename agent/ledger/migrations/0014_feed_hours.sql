-- How many events each source told of each hour (hours since 1970, UTC): eight weeks, for judging a silence.
CREATE TABLE feed_hour (
  source TEXT NOT NULL,
  hour   INTEGER NOT NULL,
  events INTEGER NOT NULL CHECK (events > 0),
  PRIMARY KEY (source, hour)
) STRICT, WITHOUT ROWID;
