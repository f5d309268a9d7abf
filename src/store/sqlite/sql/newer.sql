SELECT EXISTS (SELECT 1 FROM event WHERE lane = ?1 AND state = 0 AND joined >= ?2)
