SELECT place, source, received, request_id, headers, body FROM inbox WHERE place > ?2 ORDER BY place LIMIT ?1
