SELECT state, line, count(*) FROM lane GROUP BY state, line
