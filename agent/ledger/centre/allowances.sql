-- The statements of allowances.py.

-- name: add
INSERT INTO allowance (key, person_no, reward, currency, cohorts, country, epoch, asked_at, asked_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: keep
UPDATE allowance SET state = 'kept', redemption = ?, title = ?, currency = ?, paid = ?, voucher = ?, expires_at = ?
WHERE key = ? AND state = 'asked'

-- name: refuse
UPDATE allowance SET state = 'refused', why = ? WHERE key = ? AND state = 'asked'

-- name: show
UPDATE allowance SET state = 'shown', shown_at = ?, shown_by = ? WHERE key = ? AND state = 'kept' RETURNING voucher

-- name: show_again
UPDATE allowance SET shown_at = ?, shown_by = ?
WHERE (key = ? OR (redemption <> '' AND redemption = ?)) AND state = 'shown' AND voucher <> '' RETURNING key, voucher

-- name: give_back
UPDATE allowance SET state = 'returning'
WHERE state = 'kept' AND (:key = '' OR key = :key) AND epoch >= :epoch RETURNING key

-- name: kept_before
SELECT count(*) FROM allowance WHERE state = 'kept' AND epoch < ?

-- name: settle
UPDATE allowance SET state = 'settled', ended = ?, why = ?, voucher = '' WHERE redemption = ? AND state = ?

-- name: doubt
UPDATE allowance SET state = 'shown', shown_by = ?, why = ? WHERE state IN ('kept', 'returning')

-- name: allowance
SELECT a.key, a.person_no, coalesce(p.site || ':' || p.lms_user, '') AS learner, coalesce(p.pseudonym, '') AS pseudonym,
  a.reward, a.currency, a.cohorts, a.country, a.epoch, a.asked_at, a.asked_by, a.redemption, a.title, a.paid,
  a.expires_at, a.state, a.ended, a.shown_at, a.shown_by, a.why
FROM allowance a LEFT JOIN person p ON p.person_no = a.person_no
