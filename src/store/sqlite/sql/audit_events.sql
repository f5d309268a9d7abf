SELECT state, 0, count(*) FROM event GROUP BY state
