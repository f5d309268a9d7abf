INSERT INTO forgotten (trace) VALUES (?1) ON CONFLICT (trace) DO NOTHING
