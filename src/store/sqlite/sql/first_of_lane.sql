SELECT seq, received FROM event WHERE lane = ?1 AND state = ?2 ORDER BY seq LIMIT 1
