UPDATE event SET state = 0, ended = NULL, reason = NULL, detail = NULL, joined = ?2
WHERE lane = ?1 AND state = 3
