INSERT INTO event (seq, id, lane, state, joined, released, source, received, request_id, known_until,
                   ended, reason, detail, size, body)
VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (id) DO NOTHING
