SELECT value FROM memo WHERE topic = ?1 AND name = ?2
