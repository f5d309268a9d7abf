SELECT event.seq
FROM event
WHERE event.state = ?1
  AND (?2 IS NULL OR event.source = ?2) AND (?3 IS NULL OR event.reason = ?3)
  AND (?4 IS NULL OR event.received >= ?4) AND (?5 IS NULL OR event.received < ?5)
  AND event.lane = (SELECT id FROM lane WHERE ref = ?6)
  AND (?8 IS NULL OR event.request_id = ?8)
ORDER BY event.seq LIMIT ?7
