-- Schema 5: a lifetime total is the most that there ever was, so that earning what was taken back counts once.

WITH running AS (
  SELECT person_no, CAST(body AS TEXT) ->> 'currency' AS currency,
         sum(CAST(body AS TEXT) ->> 'amount') OVER (PARTITION BY person_no, CAST(body AS TEXT) ->> 'currency' ORDER BY seq)
           AS total
  FROM entry WHERE json_valid(CAST(body AS TEXT))
), peak AS (
  SELECT person_no, currency, max(0, max(total)) AS most FROM running GROUP BY person_no, currency
)
UPDATE balance SET lifetime = peak.most FROM peak
WHERE balance.person_no = peak.person_no AND balance.currency = peak.currency;
