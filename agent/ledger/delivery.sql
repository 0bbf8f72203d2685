-- The statements of delivery.py.

-- name: reader
SELECT acked_seq, attempts, next_try_at, last_error, last_ok_at, fault FROM reader WHERE name = ?

-- name: newest_seq
SELECT coalesce(max(seq), 0) FROM entry

-- name: head_at
SELECT hash FROM entry WHERE seq = ?

-- name: entries_after
SELECT seq, body, hash FROM entry WHERE seq > ? ORDER BY seq LIMIT ?

-- name: low_water
SELECT s.source, max(coalesce(min(g.lo) - 1, s.position), coalesce(r.upto, 0), 0)
FROM source_state s LEFT JOIN source_gap g ON g.source = s.source AND g.state = 'open'
LEFT JOIN restored_source r ON r.source = s.source
GROUP BY s.source

-- name: sealed
SELECT epoch, first_seq, last_seq, head, body, sealed_at FROM sealed_batch WHERE reader = ?

-- name: rejected_count
SELECT count(*) - count(accepted_no), count(accepted_no) FROM rejected_entry WHERE reader = ?

-- name: keep_setting
INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: keep_sealed
INSERT INTO sealed_batch (reader, epoch, first_seq, last_seq, head, body, sealed_at) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: drop_sealed
DELETE FROM sealed_batch WHERE reader = ?

-- name: keep_receipt
INSERT INTO receipt (reader, epoch, first_seq, last_seq, body, signature, received_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (reader, epoch, first_seq) DO UPDATE SET
  last_seq = excluded.last_seq, body = excluded.body, signature = excluded.signature, received_at = excluded.received_at

-- name: drop_rejected
DELETE FROM rejected_entry WHERE reader = ? AND seq BETWEEN ? AND ?

-- name: keep_rejected
INSERT INTO rejected_entry (reader, seq, reason, received_at) VALUES (?, ?, ?, ?)

-- name: accepted_before
UPDATE rejected_entry SET (accepted_after, accepted_no) =
  (SELECT after_seq, no FROM centre_live l WHERE l.kind = 'accepted' AND l.entry_seq = rejected_entry.seq)
WHERE reader = ? AND seq BETWEEN ? AND ?

-- name: move_reader
INSERT INTO reader (name, acked_seq, last_ok_at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET
  acked_seq = excluded.acked_seq, last_ok_at = excluded.last_ok_at,
  attempts = 0, next_try_at = 0, last_error = '', fault = ''

-- name: note_failure
INSERT INTO reader (name, attempts, next_try_at, last_error) VALUES (?, 1, ?, ?)
ON CONFLICT (name) DO UPDATE SET
  attempts = attempts + 1, next_try_at = excluded.next_try_at, last_error = excluded.last_error

-- name: forget_failure
UPDATE reader SET attempts = 0, next_try_at = 0, last_error = '' WHERE name = ?

-- name: note_fault
INSERT INTO reader (name, attempts, next_try_at, last_error, fault) VALUES (?, 1, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET
  attempts = attempts + 1, next_try_at = excluded.next_try_at, last_error = excluded.last_error, fault = excluded.fault
