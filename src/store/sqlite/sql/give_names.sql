SELECT name, past FROM alias WHERE lane = ?1 ORDER BY name
