-- Schema 27: what a scheduled run adds up is found by the time of the act, and what was taken back since; it read every
-- entry that there is, for each run again. Both indexes grow at their ends (docs/adr/0004). The time is cut out of the
-- bytes, in which it stands once: what is no JSON, because somebody spoiled it, must not fail here.
ALTER TABLE entry ADD COLUMN acted_at INTEGER
  AS (CAST(substr(body, instr(body, CAST('"occurred_at":' AS BLOB)) + 14, 20) AS INTEGER)) VIRTUAL;
CREATE INDEX entry_by_act ON entry (acted_at);
CREATE INDEX entry_reversal ON entry (seq) WHERE instr(body, CAST('"kind":"reversal"' AS BLOB));
