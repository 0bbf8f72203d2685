-- The statements of acts.py. Times are those of the acts.

-- name: done
SELECT s.learner, s.counted, s.fact, s.marks, count(*)
FROM (
  SELECT coalesce(CAST(v.payload AS TEXT) ->> 'si', n.text) || ':' || (CAST(v.payload AS TEXT) -> 'w' ->> 'subject')
      AS learner,
    k.value IS NOT NULL AS counted,
    CASE WHEN k.value IS NOT NULL AND :fact <> '' THEN CAST(v.payload AS TEXT) -> 'f' -> :fact END AS fact,
    CAST(v.payload AS TEXT) -> 'pm' AS marks
  FROM event v JOIN name n ON n.no = v.source_no
  LEFT JOIN json_each(:kinds) k ON k.value = CAST(v.payload AS TEXT) ->> 'k'
  WHERE v.occurred_at >= :begins AND v.occurred_at < :ends AND n.text <> :own AND CAST(v.payload AS TEXT) -> 'm' IS NULL
) s WHERE s.learner IS NOT NULL GROUP BY 1, 2, 3, 4

-- name: paid
SELECT DISTINCT p.site || ':' || p.lms_user
FROM entry e JOIN person p ON p.person_no = e.person_no
WHERE e.acted_at >= :since AND e.acted_at < :ends AND instr(e.body, CAST('"kind":"award"' AS BLOB))
  AND CAST(e.body AS TEXT) ->> 'kind' = 'award' AND CAST(e.body AS TEXT) ->> 'rule' IN (SELECT value FROM json_each(:rules))

-- name: merged_since
SELECT site || ':' || lms_user FROM alias WHERE merged_at >= ?

-- name: deciding
SELECT DISTINCT r.text
FROM event v JOIN decision d ON d.event_no = v.event_no JOIN name n ON n.no = d.rule_no
JOIN rules_version r ON r.version_no = d.version_no
WHERE v.occurred_at >= :since AND v.occurred_at < :ends AND n.text IN (SELECT value FROM json_each(:rules))

-- name: known
SELECT min(occurred_at), max(occurred_at) FROM event
