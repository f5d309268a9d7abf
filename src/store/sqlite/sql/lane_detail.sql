SELECT id, ref, state, class, ord, since, due, why, worker, leased, fence, settled, lead_id, intent_fence, intent_at,
       intent_upto, negatives, attempts, failing_since, crashes, pending, cleared, told, telling, forgotten,
       status, status_at, heard, crashed, follows, named, lands, adopting, log
FROM lane WHERE id = coalesce((SELECT id FROM lane WHERE ref = ?1), (SELECT lane FROM alias WHERE name = ?1 AND NOT past))
