UPDATE event SET id = ?2 WHERE seq = ?1
