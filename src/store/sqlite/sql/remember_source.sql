INSERT INTO source (name, since) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING
