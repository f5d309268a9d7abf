SELECT seq, known_until, source FROM event WHERE id = ?1
