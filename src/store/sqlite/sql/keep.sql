INSERT INTO inbox (place, source, received, request_id, headers, body, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
