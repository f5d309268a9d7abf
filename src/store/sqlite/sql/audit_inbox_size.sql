SELECT count(*), coalesce(sum(size), 0) FROM inbox
