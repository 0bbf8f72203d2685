-- Schema 31: the catalogue keeps what it refused under its key, so that a voucher made beforehand needs no counting.
ALTER TABLE allowance DROP COLUMN attempts;
