SELECT count(*) FROM event WHERE lane IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lane WHERE lane.id = event.lane)
