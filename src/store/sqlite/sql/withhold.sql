UPDATE event SET state = 2, ended = ?3, reason = ?4, detail = ?5 WHERE seq = ?1 AND lane = ?2 AND state = 0
