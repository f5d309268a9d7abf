UPDATE event SET state = 0, ended = NULL, reason = NULL, detail = NULL, joined = ?2, released = released OR ?3
WHERE seq = ?1
