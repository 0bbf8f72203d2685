-- Schema 28: of whom the catalogue was told what they are called, where `[privacy] identity` lets that leave the campus.

-- The name is not here: `digest` is made of it under the person's own secret, and empty where they have none there.
-- `told_at` is what the newest message said (0: there was none); `acked` is whether the catalogue has it. Who is called
-- what is looked up again some time after `looked_at`, at once where it is 0. `news` counts what may change the answer:
-- what was read before is not all.
CREATE TABLE name_told (
  person_no INTEGER PRIMARY KEY,
  said_by   TEXT NOT NULL DEFAULT '',
  digest    TEXT NOT NULL DEFAULT '',
  told_at   INTEGER NOT NULL DEFAULT 0,
  acked     INTEGER NOT NULL DEFAULT 1 CHECK (acked IN (0, 1)),
  looked_at INTEGER NOT NULL DEFAULT 0,
  news      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX name_told_due ON name_told (looked_at);

CREATE TRIGGER opted_out_is_news_of_names AFTER INSERT ON opted_out
BEGIN UPDATE name_told SET looked_at = 0, news = news + 1 WHERE person_no IN
  (SELECT person_no FROM person WHERE site = NEW.site AND lms_user = NEW.lms_user); END;
CREATE TRIGGER opted_in_is_news_of_names AFTER UPDATE ON opted_out
BEGIN UPDATE name_told SET looked_at = 0, news = news + 1 WHERE person_no IN
  (SELECT person_no FROM person WHERE site = NEW.site AND lms_user = NEW.lms_user); END;
CREATE TRIGGER agreed_is_news_of_names AFTER INSERT ON agreed
BEGIN UPDATE name_told SET looked_at = 0, news = news + 1 WHERE person_no IN
  (SELECT person_no FROM person WHERE site = NEW.site AND lms_user = NEW.lms_user); END;
CREATE TRIGGER withdrawn_is_news_of_names AFTER UPDATE ON agreed
BEGIN UPDATE name_told SET looked_at = 0, news = news + 1 WHERE person_no IN
  (SELECT person_no FROM person WHERE site = NEW.site AND lms_user = NEW.lms_user); END;
CREATE TRIGGER alias_is_news_of_names AFTER INSERT ON alias
BEGIN UPDATE name_told SET looked_at = 0, news = news + 1 WHERE person_no IN
  (SELECT person_no FROM person
   WHERE (site, lms_user) = (NEW.site, NEW.lms_user) OR (site, lms_user) = (NEW.into_site, NEW.into_user)); END;
CREATE TRIGGER alias_gone_is_news_of_names AFTER DELETE ON alias
BEGIN UPDATE name_told SET looked_at = 0, news = news + 1 WHERE person_no IN
  (SELECT person_no FROM person
   WHERE (site, lms_user) = (OLD.site, OLD.lms_user) OR (site, lms_user) = (OLD.into_site, OLD.into_user)); END;
