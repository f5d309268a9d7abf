SELECT count(*), coalesce(sum(size), 0) FROM event WHERE state IN (0, 2, 3)
