INSERT INTO alias (name, lane, past) VALUES (?1, ?2, ?3)
