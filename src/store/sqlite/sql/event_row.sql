SELECT event.seq, event.id, event.source, lane.ref, event.received, event.request_id, event.state, event.ended,
       event.reason, event.detail, event.lead_id, event.body
FROM event LEFT JOIN lane ON lane.id = event.lane
WHERE event.id = ?1
