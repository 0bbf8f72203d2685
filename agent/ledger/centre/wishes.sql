-- The statements of wishes.py.

-- name: add
INSERT INTO wish (key, person_no, reward, currency, cohorts, country, asked_at, asked_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: attempted
UPDATE wish SET attempts = attempts + 1 WHERE key = ? AND state = 'asked'

-- name: doubted
UPDATE wish SET attempts = attempts + 1, why = ? WHERE key = ? AND state = 'asked'

-- name: settle
UPDATE wish SET state = ?, settled_at = ?, why = ?, redemption = ?, title = ?, paid_currency = ?, paid = ?
WHERE key = ? AND state = 'asked'

-- name: shown
UPDATE wish SET shown_at = ?, shown_by = ? WHERE key = ?

-- name: wish
SELECT w.key, w.person_no, p.site || ':' || p.lms_user AS learner, coalesce(p.pseudonym, '') AS pseudonym,
  w.reward, w.currency, w.cohorts, w.country, w.asked_at, w.asked_by, w.attempts, w.state, w.settled_at, w.why,
  w.redemption, w.title, w.paid_currency, w.paid, w.shown_at, w.shown_by
FROM wish w LEFT JOIN person p ON p.person_no = w.person_no

-- name: person
SELECT person_no, pseudonym FROM person WHERE site = ? AND lms_user = ?
