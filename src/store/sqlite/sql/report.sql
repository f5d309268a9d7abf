INSERT INTO incident (ref, lead_id, doubles, twins, seen) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (ref) DO UPDATE
SET lead_id = excluded.lead_id, doubles = excluded.doubles, twins = excluded.twins, seen = excluded.seen
