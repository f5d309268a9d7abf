SELECT source FROM event WHERE lane = ?1 AND state = 0 ORDER BY seq LIMIT 1
