SELECT source, request_id FROM inbox WHERE place = ?1
