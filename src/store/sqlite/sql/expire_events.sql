DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE forget <= ?1 ORDER BY forget LIMIT ?2) RETURNING state
