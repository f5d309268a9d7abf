INSERT INTO event (seq, id, lane, state, joined, released, source, received, request_id, known_until,
                   ended, reason, detail, size, headers, body)
SELECT ?2, ?3, NULL, 3, 0, 0, source, received, request_id, ?4, ?5, ?6, ?7, size, headers, body
FROM inbox WHERE place = ?1
