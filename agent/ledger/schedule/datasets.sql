-- What scheduled runs look at, as of one entry (:seq) and one event (:event). Acts are of a span (:begins, :ends).

-- name: as_of
SELECT (SELECT coalesce(max(seq), 0) FROM entry), (SELECT coalesce(max(event_no), 0) FROM event);

-- name: first_act
SELECT v.occurred_at FROM event v
WHERE v.occurred_at >= ? AND v.source_no <> coalesce((SELECT no FROM name WHERE kind = 'source' AND text = ?), 0)
ORDER BY v.occurred_at LIMIT 1;

-- Entries are canonical, so that their bytes tell most of those that are not meant before any JSON is read.
-- name: earned
WITH award AS MATERIALIZED (
  SELECT e.seq, e.person_no, CAST(e.body AS TEXT) ->> 'amount' AS amount, CAST(e.body AS TEXT) ->> 'rule' AS rule
  FROM entry e
  WHERE e.seq <= :seq AND instr(e.body, :of_currency) AND instr(e.body, CAST('"kind":"award"' AS BLOB))
    AND e.acted_at >= :begins AND e.acted_at < :ends
    AND CAST(e.body AS TEXT) ->> 'kind' = 'award' AND CAST(e.body AS TEXT) ->> 'currency' = :currency
), back AS MATERIALIZED (
  SELECT CAST(substr(r.of, instr(r.of, '-') + 1) AS INTEGER) AS seq, r.amount
  FROM (
    SELECT CAST(e.body AS TEXT) ->> 'reverses' AS of, CAST(e.body AS TEXT) ->> 'amount' AS amount FROM entry e
    WHERE e.seq <= :seq AND e.seq > (SELECT min(seq) FROM award) AND instr(e.body, CAST('"kind":"reversal"' AS BLOB))
      AND CAST(e.body AS TEXT) ->> 'kind' = 'reversal'
  ) r
)
SELECT p.site || ':' || p.lms_user, a.rule, sum(a.amount + coalesce(b.amount, 0))
FROM award a LEFT JOIN back b ON b.seq = a.seq JOIN person p ON p.person_no = a.person_no
GROUP BY a.person_no, a.rule;

-- name: earned_by_act
WITH award AS MATERIALIZED (
  SELECT e.seq, e.person_no, e.event_no, CAST(e.body AS TEXT) ->> 'amount' AS amount,
         CAST(e.body AS TEXT) ->> 'rule' AS rule
  FROM entry e
  WHERE e.seq <= :seq AND instr(e.body, :of_currency) AND instr(e.body, CAST('"kind":"award"' AS BLOB))
    AND e.acted_at >= :begins AND e.acted_at < :ends
    AND CAST(e.body AS TEXT) ->> 'kind' = 'award' AND CAST(e.body AS TEXT) ->> 'currency' = :currency
), back AS MATERIALIZED (
  SELECT CAST(substr(r.of, instr(r.of, '-') + 1) AS INTEGER) AS seq, r.amount
  FROM (
    SELECT CAST(e.body AS TEXT) ->> 'reverses' AS of, CAST(e.body AS TEXT) ->> 'amount' AS amount FROM entry e
    WHERE e.seq <= :seq AND e.seq > (SELECT min(seq) FROM award) AND instr(e.body, CAST('"kind":"reversal"' AS BLOB))
      AND CAST(e.body AS TEXT) ->> 'kind' = 'reversal'
  ) r
)
SELECT p.site || ':' || p.lms_user, a.rule, a.amount + coalesce(b.amount, 0),
       v.event_no, v.occurred_at, v.event_id, n.text, v.position, v.trust, v.payload
FROM award a LEFT JOIN back b ON b.seq = a.seq JOIN person p ON p.person_no = a.person_no
JOIN event v ON v.event_no = a.event_no JOIN name n ON n.no = v.source_no;

-- name: acts
SELECT v.event_no, v.occurred_at, v.event_id, n.text, v.position, v.trust, v.payload
FROM event v JOIN name n ON n.no = v.source_no
WHERE v.occurred_at >= :begins AND v.occurred_at < :ends AND v.event_no <= :event
  AND coalesce(CAST(v.payload AS TEXT) ->> 'k', '') = :kind;

-- Of the rows of a group, SQLite takes the other columns from the one that has the least, or the greatest.
-- name: first_of_each
SELECT s.learner, min(s.occurred_at), v.event_no, v.occurred_at, v.event_id, n.text, v.position, v.trust, v.payload
FROM (
  SELECT e.event_no, e.occurred_at, coalesce(CAST(e.payload AS TEXT) ->> 'si', m.text) || ':'
         || (CAST(e.payload AS TEXT) -> 'w' ->> :role) AS learner
  FROM event e JOIN name m ON m.no = e.source_no
  WHERE e.event_no <= :event AND e.occurred_at >= :since AND e.occurred_at < :ends AND m.text <> :own
    AND (:kind = '' OR coalesce(CAST(e.payload AS TEXT) ->> 'k', '') = :kind) AND CAST(e.payload AS TEXT) -> 'm' IS NULL
) s JOIN event v ON v.event_no = s.event_no JOIN name n ON n.no = v.source_no
WHERE s.learner IS NOT NULL GROUP BY s.learner;

-- name: last_of_each
SELECT s.learner, max(s.occurred_at), v.event_no, v.occurred_at, v.event_id, n.text, v.position, v.trust, v.payload
FROM (
  SELECT e.event_no, e.occurred_at, coalesce(CAST(e.payload AS TEXT) ->> 'si', m.text) || ':'
         || (CAST(e.payload AS TEXT) -> 'w' ->> :role) AS learner
  FROM event e JOIN name m ON m.no = e.source_no
  WHERE e.event_no <= :event AND e.occurred_at >= :since AND e.occurred_at < :ends AND m.text <> :own
    AND (:kind = '' OR coalesce(CAST(e.payload AS TEXT) ->> 'k', '') = :kind) AND CAST(e.payload AS TEXT) -> 'm' IS NULL
) s JOIN event v ON v.event_no = s.event_no JOIN name n ON n.no = v.source_no
WHERE s.learner IS NOT NULL GROUP BY s.learner;

-- name: late_entries
SELECT count(*) FROM entry e
WHERE e.seq > ? AND CAST(e.body AS TEXT) ->> 'kind' IN ('award', 'reversal')
  AND CAST(e.body AS TEXT) ->> 'occurred_at' >= ? AND CAST(e.body AS TEXT) ->> 'occurred_at' < ?
  AND CAST(e.body AS TEXT) ->> 'source' <> ?;

-- name: late_events
SELECT count(*) FROM event v JOIN name n ON n.no = v.source_no
WHERE v.event_no > ? AND v.occurred_at >= ? AND v.occurred_at < ? AND n.text <> ?;

-- name: learners
SELECT p.pseudonym, p.site || ':' || p.lms_user FROM json_each(?) w JOIN person p ON p.pseudonym = w.value;
