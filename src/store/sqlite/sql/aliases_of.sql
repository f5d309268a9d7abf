SELECT name FROM alias WHERE lane = ?1 AND NOT past ORDER BY name
