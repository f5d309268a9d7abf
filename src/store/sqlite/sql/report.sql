INSERT INTO incident (ref, lead_id, doubles, seen) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (ref) DO UPDATE SET lead_id = excluded.lead_id, doubles = excluded.doubles, seen = excluded.seen
