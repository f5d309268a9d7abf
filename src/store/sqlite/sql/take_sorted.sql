DELETE FROM inbox WHERE place = ?1 RETURNING size
