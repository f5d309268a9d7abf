INSERT INTO event (seq, id, lane, source, received, request_id, state, joined, released, known_until, ended, reason, detail,
                   lead_id, forget, headers, body, fetched, size)
VALUES (?1, ?2, (SELECT id FROM lane WHERE ref = ?3), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
