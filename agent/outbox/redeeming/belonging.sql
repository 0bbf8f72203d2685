-- The statements of belonging.py.

-- name: accounts
SELECT site, lms_user FROM alias WHERE into_site = ? AND into_user = ?
