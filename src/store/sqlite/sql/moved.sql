SELECT lane, received, size FROM event WHERE seq = ?1 AND state = ?2
