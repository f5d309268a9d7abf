SELECT seq, id, state, joined, source, ended, reason, detail, lead_id, forget, size, headers, length(fetched), length(body)
FROM event WHERE lane = ?1
