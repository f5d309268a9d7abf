SELECT seq, id, source, received, request_id, released, size, body, fetched
FROM event WHERE lane = ?1 AND state = 0 ORDER BY seq LIMIT ?2
