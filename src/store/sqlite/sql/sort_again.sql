INSERT INTO inbox (place, source, received, request_id, headers, body, size)
SELECT ?2, source, received, request_id, headers, body, size FROM event WHERE seq = ?1
