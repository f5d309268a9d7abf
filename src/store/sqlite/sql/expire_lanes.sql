DELETE FROM lane WHERE id IN (
    SELECT id FROM lane
    WHERE forget <= ?1 AND NOT EXISTS (SELECT 1 FROM event WHERE event.lane = lane.id)
    ORDER BY forget LIMIT ?2
)
RETURNING id, ref, lead_id IS NOT NULL OR intent_fence IS NOT NULL OR adopting IS NOT NULL OR forgotten
