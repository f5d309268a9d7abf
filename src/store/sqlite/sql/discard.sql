UPDATE event SET state = 4, ended = ?2, forget = max(known_until, ?3), headers = NULL, fetched = NULL, body = NULL
WHERE seq = ?1
RETURNING size
