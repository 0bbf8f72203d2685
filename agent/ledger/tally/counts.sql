-- The statements of counts.py. Times are those of the acts.

-- name: sources
SELECT n.text, count(*), max(v.occurred_at), max(v.recorded_at)
FROM event v JOIN name n ON n.no = v.source_no
WHERE v.occurred_at >= :since AND v.occurred_at < :until GROUP BY 1 ORDER BY 1

-- name: decisions
SELECT n.text, d.outcome, coalesce(h.state, ''), count(*)
FROM event v JOIN decision d ON d.event_no = v.event_no JOIN name n ON n.no = d.rule_no
LEFT JOIN hold h ON h.decision_no = d.decision_no
WHERE v.occurred_at >= :since AND v.occurred_at < :until GROUP BY 1, 2, 3

-- name: reasons
SELECT n.text, d.reason, count(*)
FROM event v JOIN decision d ON d.event_no = v.event_no JOIN name n ON n.no = d.rule_no
WHERE v.occurred_at >= :since AND v.occurred_at < :until AND d.outcome = :refused AND d.reason <> ''
GROUP BY 1, 2 ORDER BY 3 DESC, 2

-- name: booked
SELECT e.rule, e.currency, e.kind, sum(e.amount), count(DISTINCT e.person_no)
FROM (
  SELECT person_no, CAST(body AS TEXT) ->> 'rule' AS rule, CAST(body AS TEXT) ->> 'currency' AS currency,
    CAST(body AS TEXT) ->> 'kind' AS kind, CAST(body AS TEXT) ->> 'amount' AS amount,
    CAST(body AS TEXT) ->> 'occurred_at' AS at
  FROM entry
) e WHERE e.at >= :since AND e.at < :until GROUP BY 1, 2, 3, e.amount < 0

-- name: spent
SELECT currency, kind, sum(amount), count(*), count(DISTINCT whose) FROM (
  SELECT s.currency, s.kind, s.amount, s.occurred_at AS at, s.person_no AS whose
  FROM statement s WHERE (SELECT at FROM centre_stand) = 0
  UNION ALL
  SELECT l.currency, l.kind, l.amount + l.waived, l.occurred_at, l.pseudonym
  FROM centre_live l WHERE l.amount + l.waived <> 0
) WHERE at >= :since AND at < :until GROUP BY 1, 2 ORDER BY 1, 2
