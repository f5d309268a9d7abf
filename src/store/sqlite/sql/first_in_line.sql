SELECT id, ref, state, class, ord, since, due, why, worker, leased, fence, settled, lead_id, intent_fence, intent_at,
       intent_upto, negatives, attempts, failing_since, crashes, pending, cleared, told, telling, forgotten,
       status, status_at, heard, crashed, follows, named, lands, adopting
FROM lane WHERE state = 1 AND state IN (1, 2) AND line = ?1 ORDER BY ord LIMIT 1
