UPDATE event SET state = 3, ended = ?4, reason = ?5, detail = ?6
WHERE lane = ?1 AND state = 0 AND seq <= ?2 AND joined < ?3
