SELECT lane.ref, lane.lead_id
FROM verify JOIN lane ON lane.id = verify.lane
WHERE verify.due <= ?1 AND lane.lead_id IS NOT NULL
ORDER BY verify.due, lane.ref LIMIT 1
