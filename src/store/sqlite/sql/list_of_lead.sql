SELECT event.seq, event.id, event.source, lane.ref, event.received, event.request_id, event.state, event.ended,
       event.reason, event.detail, event.lead_id
FROM event LEFT JOIN lane ON lane.id = event.lane
WHERE event.seq < ?1
  AND (?2 IS NULL OR event.source = ?2) AND (?3 IS NULL OR event.reason = ?3)
  AND (?4 IS NULL OR event.received >= ?4) AND (?5 IS NULL OR event.received < ?5)
  AND ?6 IS NULL AND event.lane = (SELECT id FROM lane WHERE ref = ?7)
  AND (?9 IS NULL OR event.request_id = ?9)
ORDER BY event.seq DESC LIMIT ?8
