SELECT id, ref, state, class, ord, since, due, why, worker, leased, fence, settled, lead_id, intent_fence, intent_at,
       intent_upto, negatives, attempts, failing_since, crashes, pending, cleared, told, telling, forgotten,
       status, status_at, heard, crashed, follows, named, lands, adopting, log, line, forget
FROM lane WHERE id > ?1 ORDER BY id LIMIT ?2
