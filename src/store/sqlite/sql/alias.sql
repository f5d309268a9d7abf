SELECT lane, past FROM alias WHERE name = ?1
