SELECT ref, lead_id, doubles, twins, seen FROM incident ORDER BY ref LIMIT ?2 OFFSET ?1
