-- A receiver of callbacks is told of decisions too: a second position beside that of the entries.
ALTER TABLE reader ADD COLUMN acked_decision INTEGER NOT NULL DEFAULT 0;
