DELETE FROM alias WHERE name = ?1
