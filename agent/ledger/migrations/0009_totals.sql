-- Schema 9: what budgets and brakes have counted for everybody together, so that no page adds up days of awards.

-- A projection of `quota_use`: droppable, kept in step by triggers that are made when rules first have such a quota
-- (ledger/record/totals.py). A row stays when all that it counted is given back.
CREATE TABLE quota_total (
  meter_no INTEGER NOT NULL,
  bucket   TEXT NOT NULL,
  amount   INTEGER NOT NULL,
  uses     INTEGER NOT NULL,
  PRIMARY KEY (meter_no, bucket)
) STRICT, WITHOUT ROWID;

-- The meters that are totalled: no learner is named in any of their uses.
CREATE VIEW totalled AS
SELECT no AS meter_no FROM name
WHERE kind = 'meter'
  AND (text GLOB 'budget:*' OR text GLOB 'safety:*' OR text GLOB 'shadow/budget:*' OR text GLOB 'shadow/safety:*');
