SELECT event.seq, event.id, lane.ref, event.source, event.received, event.request_id, event.state, event.joined,
       event.released, event.known_until, event.ended, event.reason, event.detail, event.lead_id, event.forget,
       event.headers, event.body, event.fetched
FROM event LEFT JOIN lane ON lane.id = event.lane
WHERE event.seq > ?1 ORDER BY event.seq LIMIT ?2
