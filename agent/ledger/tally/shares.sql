-- The statements of shares.py. Times are those of the acts; whoever was erased is the pseudonym that entries have.

-- name: issued
SELECT coalesce(p.site || ':' || p.lms_user, e.whose), e.currency, sum(max(e.amount, 0)), -sum(min(e.amount, 0))
FROM (
  SELECT person_no, CAST(body AS TEXT) ->> 'learner' AS whose, CAST(body AS TEXT) ->> 'currency' AS currency,
    CAST(body AS TEXT) ->> 'amount' AS amount, CAST(body AS TEXT) ->> 'occurred_at' AS at
  FROM entry
) e LEFT JOIN person p ON p.person_no = e.person_no
WHERE e.at >= :since AND e.at < :until GROUP BY 1, 2

-- name: spent
SELECT coalesce(p.site || ':' || p.lms_user, m.whose), m.currency,
  -sum(CASE m.kind WHEN 'spend' THEN m.amount ELSE 0 END), sum(m.kind = 'spend'),
  sum(CASE m.kind WHEN 'refund' THEN m.amount ELSE 0 END), -sum(CASE m.kind WHEN 'expiry' THEN m.amount ELSE 0 END)
FROM (
  SELECT s.currency, s.kind, s.amount, s.occurred_at AS at, CAST(s.person_no AS TEXT) AS whose, s.person_no
  FROM statement s WHERE (SELECT at FROM centre_stand) = 0
  UNION ALL
  SELECT l.currency, l.kind, l.amount + l.waived, l.occurred_at, l.pseudonym,
    (SELECT q.person_no FROM person q WHERE q.pseudonym = l.pseudonym)
  FROM centre_live l WHERE l.amount + l.waived <> 0
) m LEFT JOIN person p ON p.person_no = m.person_no
WHERE m.at >= :since AND m.at < :until GROUP BY 1, 2
