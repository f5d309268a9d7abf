UPDATE event SET state = 1, ended = ?4, lead_id = ?5, forget = max(known_until, ?6),
       headers = NULL, fetched = NULL, body = NULL
WHERE lane = ?1 AND state = 0 AND seq <= ?2 AND joined < ?3
RETURNING size
