SELECT seq FROM event WHERE id = ?1 AND state = ?2
