"""Who is on the embedded campus. Invented; any likeness is chance."""

from __future__ import annotations

GUEST, ADMIN, TEACHER, TUTOR = 1, 2, 3, 4
FIRST_LEARNER = 11

STAFF_NAMES: tuple[tuple[int, str, str, str], ...] = (
    (GUEST, "guest", "Guest user", " "),
    (ADMIN, "admin", "Ada", "Administrator"),
    (TEACHER, "t.mokoena", "Thandi", "Mokoena"),
    (TUTOR, "p.brandt", "Pieter", "Brandt"),
)
"""(id, username, first name, last name)."""

LEARNER_NAMES: tuple[tuple[str, str], ...] = (
    *(("Aisha", "Adams"), ("Bongani", "Baloyi"), ("Carla", "Coetzee"), ("Dineo", "Dlamini"), ("Emre", "Ebrahim")),
    *(("Fatima", "Fakier"), ("Gugu", "Gumede"), ("Hannes", "Hendricks"), ("Ilse", "Isaacs"), ("Jabu", "Jacobs")),
    *(("Karabo", "Khumalo"), ("Lindiwe", "Langa"), ("Musa", "Mabaso"), ("Naledi", "Naidoo"), ("Onke", "October")),
    *(("Palesa", "Pillay"), ("Qiniso", "Qwabe"), ("Refilwe", "Radebe"), ("Sipho", "Sithole"), ("Tumi", "Tshabalala")),
    *(("Unathi", "Umar"), ("Vusi", "Van Wyk"), ("Wandile", "Williams"), ("Xolani", "Xaba"), ("Yusuf", "Yaseen")),
    *(("Zanele", "Zulu"), ("Anneke", "Botha"), ("Björn", "Åkesson"), ("Chloé", "Dubois"), ("Daniel", "O'Brien")),
    *(("Elena", "Petrova"), ("Farid", "Haddad"), ("Grace", "Okafor"), ("Hugo", "Silva"), ("Ines", "Moreau")),
    *(("Jonas", "Weber"), ("Kavya", "Reddy"), ("Luca", "Rossi"), ("Mei", "Lin"), ("Noah", "Kim")),
)
"""First and last names of the forty learners; the first of them has id `FIRST_LEARNER`."""
