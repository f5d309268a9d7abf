UPDATE event SET fetched = ?2, size = size + ?3 WHERE seq = ?1
