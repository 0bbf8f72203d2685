"""Recognition on campus: learners thank each other through the catalogue, which learns pseudonyms."""
