SELECT place, source, received, request_id, headers, body FROM inbox WHERE place > ?1 ORDER BY place LIMIT ?2
