SELECT trace FROM forgotten ORDER BY trace LIMIT ?2 OFFSET ?1
