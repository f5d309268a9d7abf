SELECT length(fetched) FROM event WHERE seq = ?1 AND lane = ?2 AND state = 0
