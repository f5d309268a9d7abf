SELECT place, source, received, request_id, headers, body FROM inbox ORDER BY place LIMIT ?1
