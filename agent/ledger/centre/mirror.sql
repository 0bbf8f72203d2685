-- The statements of mirror.py.

-- name: stand
SELECT upto, seq, at, attempts, next_try_at, last_error FROM centre_stand

-- name: head
SELECT p.head FROM centre_page p
WHERE NOT EXISTS (SELECT 1 FROM centre_void v WHERE p.page_no BETWEEN v.first_page AND v.last_page)
ORDER BY p.page_no DESC LIMIT 1

-- name: ends
SELECT p.page_no, p.upto, p.head FROM centre_page p
WHERE NOT EXISTS (SELECT 1 FROM centre_void v WHERE p.page_no BETWEEN v.first_page AND v.last_page)
ORDER BY p.page_no DESC

-- name: next_page
SELECT coalesce(max(page_no), 0) + 1 FROM centre_page

-- name: keep_page
INSERT INTO centre_page (page_no, after, upto, head, header, signature, received_at) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: keep_line
INSERT INTO centre_line
  (page_no, no, body, pseudonym, currency, kind, amount, waived, ref, about, after_seq, entry_seq, occurred_at, posted_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: accept
UPDATE rejected_entry SET accepted_after = ?, accepted_no = ? WHERE reader = 'catalogue' AND seq = ?

-- name: heard
UPDATE centre_stand SET upto = ?, seq = ?, at = ?, attempts = 0, next_try_at = 0, last_error = ''

-- name: failed
UPDATE centre_stand SET attempts = attempts + 1, next_try_at = ?, last_error = ?

-- name: void
INSERT INTO centre_void (first_page, last_page, voided_at)
SELECT min(page_no), max(page_no), ? FROM centre_page p WHERE page_no > ?
AND NOT EXISTS (SELECT 1 FROM centre_void v WHERE p.page_no BETWEEN v.first_page AND v.last_page)
HAVING count(*) > 0

-- name: no_longer_accepted
UPDATE rejected_entry SET accepted_after = NULL, accepted_no = NULL WHERE reader = 'catalogue' AND accepted_no > ?

-- name: set_back
UPDATE centre_stand SET upto = ?

-- name: lines
SELECT count(*), max(posted_at) FROM centre_live

-- name: lost
SELECT l.no, l.kind, l.pseudonym, l.currency, l.amount, l.ref, l.posted_at FROM centre_line l
JOIN centre_void v ON l.page_no BETWEEN v.first_page AND v.last_page
WHERE NOT EXISTS (SELECT 1 FROM centre_live n WHERE n.pseudonym = l.pseudonym AND n.currency = l.currency
                  AND n.kind = l.kind AND n.ref = l.ref)
GROUP BY l.pseudonym, l.currency, l.kind, l.ref ORDER BY l.no

-- name: undelivered
SELECT count(*) FROM entry e JOIN person p ON p.person_no = e.person_no
WHERE p.site || ':' || p.lms_user = ? AND e.seq > (SELECT seq FROM centre_stand)
