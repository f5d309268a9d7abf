SELECT id, ref, state, class, ord, since, due, why, worker, leased, fence, settled, lead_id, intent_fence, intent_at,
       intent_upto, negatives, attempts, failing_since, crashes, pending, cleared, told, telling, forgotten,
       status, status_at, heard, crashed, follows, named, lands, adopting
FROM lane
WHERE lead_id = ?1 AND id != ?2
  AND id IN (SELECT id FROM lane WHERE state = 3 AND due IS NOT NULL UNION ALL SELECT id FROM lane WHERE lands > ?3)
ORDER BY id LIMIT 1
