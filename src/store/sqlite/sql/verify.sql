INSERT INTO verify (lane, due) VALUES (?1, ?2) ON CONFLICT (lane) DO NOTHING
