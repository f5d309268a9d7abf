DELETE FROM permit WHERE id = ?1
