-- Schema 30: how long an attempt that nobody answered may still arrive is no time of the wall clock, which may be wrong.
-- Whoever waits counts by a clock that nobody sets, from when it saw so many attempts first: another process may make one.
ALTER TABLE wish DROP COLUMN doubt_until;
ALTER TABLE allowance DROP COLUMN doubt_until;
ALTER TABLE wish ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE allowance ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
