SELECT count(*) FROM memo WHERE topic = ?1 AND name != ?2
