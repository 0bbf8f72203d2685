-- Everything that each table says about one person. :persons are person numbers, :accounts [site, LMS user id] pairs,
-- :events numbers of the acts that name one of them: each a JSON list. A column `…_json` holds JSON, `…_at` seconds.

-- name: acts
SELECT v.event_no FROM event v JOIN name n ON n.no = v.source_no
WHERE v.event_no > :after AND EXISTS (
  SELECT 1 FROM json_each(:accounts) a
  WHERE instr(v.payload, CAST(json_quote(a.value ->> 1) AS BLOB))
    AND coalesce(CAST(v.payload AS TEXT) ->> 'si', n.text) = a.value ->> 0
    AND (EXISTS (SELECT 1 FROM json_each(CAST(v.payload AS TEXT), '$.w') w WHERE w.value = a.value ->> 1)
      OR EXISTS (SELECT 1 FROM json_each(CAST(v.payload AS TEXT), '$.pm') m WHERE m.key = a.value ->> 1)
      OR CAST(v.payload AS TEXT) ->> '$.f.reply_to' = a.value ->> 1))
UNION
SELECT d.event_no FROM decision d
WHERE d.event_no > :after AND d.learner IN (
  SELECT (w.value ->> 0) || ':' || (w.value ->> 1) FROM json_each(:accounts) w)
ORDER BY 1

-- name: accounts
WITH RECURSIVE whose(site, lms_user) AS (
  SELECT :site, :lms_user UNION
  SELECT a.site, a.lms_user FROM alias a JOIN whose w ON a.into_site = w.site AND a.into_user = w.lms_user)
SELECT site, lms_user FROM whose

-- name: everybody
SELECT p.site, p.lms_user, p.created_at FROM person p
UNION ALL
SELECT coalesce(CAST(v.payload AS TEXT) ->> 'si', n.text), w.value, v.recorded_at
FROM event v JOIN name n ON n.no = v.source_no JOIN json_each(CAST(v.payload AS TEXT), '$.w') w

-- name: person
SELECT p.site || ':' || p.lms_user AS account, p.pseudonym, p.created_at,
  CASE p.kept_under WHEN '' THEN 'no' ELSE 'yes, sealed to the recovery key' END AS copy_at_the_catalogue
FROM json_each(:persons) w JOIN person p ON p.person_no = w.value

-- name: alias
SELECT a.site || ':' || a.lms_user AS account, a.into_site || ':' || a.into_user AS is_now, a.merged_at,
  a.merged_by AS "by", a.reason
FROM json_each(:accounts) w JOIN alias a
  ON (a.site = w.value ->> 0 AND a.lms_user = w.value ->> 1)
  OR (a.into_site = w.value ->> 0 AND a.into_user = w.value ->> 1)
GROUP BY a.site, a.lms_user ORDER BY a.merged_at

-- name: account_tag
SELECT t.site || ':' || t.lms_user AS account, t.said_by AS digest_of, t.tag AS digest
FROM json_each(:accounts) w JOIN account_tag t ON t.site = w.value ->> 0 AND t.lms_user = w.value ->> 1

-- name: link_untold
SELECT u.site || ':' || u.lms_user AS account
FROM json_each(:accounts) w JOIN link_untold u ON u.site = w.value ->> 0 AND u.lms_user = w.value ->> 1

-- name: elsewhere
SELECT e.mates AS wallets_of_json, e.wallets AS sums_json, e.held AS not_linked_because
FROM json_each(:persons) w JOIN elsewhere e ON e.person_no = w.value

-- name: name_told
SELECT t.said_by AS kind_of_name, t.digest, nullif(t.told_at, 0) AS told_at,
  CASE WHEN t.digest = '' THEN 'no name' WHEN t.acked THEN 'yes' ELSE 'under way' END AS at_the_catalogue
FROM json_each(:persons) w JOIN name_told t ON t.person_no = w.value

-- name: name_said
SELECT s.site || ':' || s.lms_user AS account, s.said_by AS kind_of_name, s.name, s.said_at
FROM json_each(:accounts) w JOIN name_said s ON s.site = w.value ->> 0 AND s.lms_user = w.value ->> 1

-- name: opted_out
SELECT o.site || ':' || o.lms_user AS account, o.since AS since_at, o.until AS until_at, o.said_by
FROM json_each(:accounts) w JOIN opted_out o ON o.site = w.value ->> 0 AND o.lms_user = w.value ->> 1

-- name: agreed
SELECT a.site || ':' || a.lms_user AS account, a.how, a.since AS since_at, a.until AS until_at, a.said_by
FROM json_each(:accounts) w JOIN agreed a ON a.site = w.value ->> 0 AND a.lms_user = w.value ->> 1

-- name: link_held
SELECT l.site || ':' || l.lms_user AS account, l.others AS may_be_json, l.reason, l.held_at
FROM link_held l
WHERE EXISTS (SELECT 1 FROM json_each(:accounts) w
  WHERE (l.site = w.value ->> 0 AND l.lms_user = w.value ->> 1)
     OR EXISTS (SELECT 1 FROM json_each(l.others) o WHERE o.value = (w.value ->> 0) || ':' || (w.value ->> 1)))

-- name: event
SELECT v.event_no AS act, v.occurred_at, n.text AS source, v.position AS number, v.recorded_at,
  lower(hex(v.event_id)) AS event_id, v.trust, v.payload AS says_json
FROM json_each(:events) w JOIN event v ON v.event_no = w.value JOIN name n ON n.no = v.source_no

-- name: decision
SELECT d.decision_no AS decision, d.event_no AS act, n.text AS rule, r.version AS rules_version, d.role,
  d.outcome, d.reason, d.detail AS detail_json
FROM decision d JOIN name n ON n.no = d.rule_no JOIN rules_version r ON r.version_no = d.version_no
WHERE d.event_no IN (SELECT value FROM json_each(:events)) AND d.learner IN (
  SELECT (w.value ->> 0) || ':' || (w.value ->> 1) FROM json_each(:accounts) w)
ORDER BY d.decision_no

-- name: hold
SELECT h.decision_no AS decision, h.rule_id AS rule, h.scope, h.kind, h.held_at, h.state, h.settled_at,
  h.settled_by, h.note, h.promise AS promise_json
FROM json_each(:accounts) w JOIN hold h ON h.learner = (w.value ->> 0) || ':' || (w.value ->> 1)
ORDER BY h.decision_no

-- name: entry
SELECT e.seq, e.body AS says_json
FROM entry e WHERE e.person_no IN (SELECT value FROM json_each(:persons)) ORDER BY e.seq

-- name: balance
SELECT b.currency, b.amount, b.lifetime AS most_ever
FROM json_each(:persons) w JOIN balance b ON b.person_no = w.value

-- name: centre_line
SELECT l.no AS number, l.kind, l.currency, l.amount, l.waived, l.ref, l.about, l.occurred_at, l.posted_at
FROM json_each(:persons) w JOIN person p ON p.person_no = w.value
JOIN centre_live l ON l.pseudonym = p.pseudonym ORDER BY l.no

-- name: wish
SELECT w.reward, w.state, w.asked_at, w.asked_by, w.settled_at, w.redemption, w.title, w.paid, w.paid_currency,
  w.country, w.cohorts AS cohorts_json, w.why, w.shown_at, w.shown_by
FROM wish w WHERE w.person_no IN (SELECT value FROM json_each(:persons)) ORDER BY w.wish_no

-- name: allowance
SELECT a.reward, a.state, a.asked_at, a.asked_by, a.redemption, a.title, a.paid, a.currency, a.country,
  a.cohorts AS cohorts_json, a.expires_at, a.ended, a.shown_at, a.shown_by, a.why
FROM allowance a WHERE a.person_no IN (SELECT value FROM json_each(:persons)) ORDER BY a.asked_at, a.key

-- name: statement
SELECT s.kind, s.currency, s.amount, s.of AS of_entry, s.occurred_at, s.recorded_at
FROM json_each(:persons) w JOIN statement s ON s.person_no = w.value ORDER BY s.no

-- name: lot_notice
SELECT l.currency, l.amount, l.ends_at, l.told_at
FROM lot_notice l WHERE l.person_no IN (SELECT value FROM json_each(:persons)) ORDER BY l.notice_no

-- name: quota_use
SELECT n.text AS counts_for, u.bucket AS what, u.at AS acted_at, u.amount, u.freed AS given_back
FROM quota_use u JOIN name n ON n.no = u.meter_no
WHERE u.person_no IN (SELECT value FROM json_each(:persons)) ORDER BY u.at, n.text, u.bucket

-- name: undoable
SELECT a.marker, a.award AS award_json
FROM undoable a WHERE a.person_no IN (SELECT value FROM json_each(:persons))

-- name: restored_award
SELECT r.first_seq AS first_entry, r.last_seq AS last_entry, r.rule
FROM restored_award r WHERE r.person_no IN (SELECT value FROM json_each(:persons))

-- name: state_event
SELECT s.event_no AS act, s.occurred_at
FROM state_event s WHERE s.event_no IN (SELECT value FROM json_each(:events))

-- name: partial_event
SELECT p.event_no AS act, p.occurred_at
FROM partial_event p WHERE p.event_no IN (SELECT value FROM json_each(:events))

-- name: source_anchor
SELECT a.source, a.position AS number, a.lms_event, a.occurred_at
FROM source_anchor a WHERE EXISTS (
  SELECT 1 FROM json_each(:accounts) w WHERE CAST(a.user AS TEXT) = w.value ->> 1
    AND w.value ->> 0 = coalesce((SELECT s.value ->> 1 FROM json_each(:sites) s WHERE s.value ->> 0 = a.source), a.source))

-- name: scheduled_run
SELECT r.scheduled, r.nominal AS decided_for_at, r.state
FROM scheduled_run r WHERE EXISTS (
  SELECT 1 FROM json_each(:persons) w JOIN person p ON p.person_no = w.value WHERE instr(r.list, p.pseudonym))
