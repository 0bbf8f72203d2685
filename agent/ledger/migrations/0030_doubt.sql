-- Schema 30: how long an attempt that nobody answered may still arrive is no time of the wall clock, which may be wrong.
ALTER TABLE wish DROP COLUMN doubt_until;
ALTER TABLE allowance DROP COLUMN doubt_until;
