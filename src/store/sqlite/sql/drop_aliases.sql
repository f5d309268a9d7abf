DELETE FROM alias WHERE lane = ?1
