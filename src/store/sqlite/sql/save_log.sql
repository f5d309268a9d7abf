UPDATE lane SET log = ?2 WHERE id = ?1
