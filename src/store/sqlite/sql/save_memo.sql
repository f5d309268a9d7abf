INSERT INTO memo (topic, name, value) VALUES (?1, ?2, ?3)
ON CONFLICT (topic, name) DO UPDATE SET value = excluded.value
