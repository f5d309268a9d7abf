SELECT count(*) FROM event WHERE lane = ?1 AND state = 3
