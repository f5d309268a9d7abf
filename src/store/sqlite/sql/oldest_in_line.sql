SELECT ord, since FROM lane WHERE state = ?1 AND state IN (1, 2) AND line = ?2 ORDER BY ord LIMIT 1
