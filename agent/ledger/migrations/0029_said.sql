-- Schema 29: what systems that post, and are trusted to say who somebody is, call their users. Kept only where
-- `[privacy] identity` lets names leave the campus and nobody else can be asked; `said_at` is the time of the act.
CREATE TABLE name_said (
  site     TEXT NOT NULL,
  lms_user TEXT NOT NULL,
  said_by  TEXT NOT NULL,
  name     TEXT NOT NULL,
  said_at  INTEGER NOT NULL,
  PRIMARY KEY (site, lms_user)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER name_said_is_news AFTER INSERT ON name_said
BEGIN UPDATE name_told SET looked_at = 0, news = news + 1 WHERE person_no IN
  (SELECT p.person_no FROM person p WHERE (p.site, p.lms_user) = (NEW.site, NEW.lms_user) OR (p.site, p.lms_user) IN
    (SELECT a.into_site, a.into_user FROM alias a WHERE (a.site, a.lms_user) = (NEW.site, NEW.lms_user))); END;
CREATE TRIGGER name_said_anew_is_news AFTER UPDATE ON name_said
BEGIN UPDATE name_told SET looked_at = 0, news = news + 1 WHERE person_no IN
  (SELECT p.person_no FROM person p WHERE (p.site, p.lms_user) = (NEW.site, NEW.lms_user) OR (p.site, p.lms_user) IN
    (SELECT a.into_site, a.into_user FROM alias a WHERE (a.site, a.lms_user) = (NEW.site, NEW.lms_user))); END;
