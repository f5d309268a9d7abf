SELECT name, value FROM memo WHERE topic = ?1 ORDER BY name
