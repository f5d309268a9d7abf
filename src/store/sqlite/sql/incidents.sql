SELECT ref, lead_id, doubles, seen FROM incident ORDER BY seen DESC, ref LIMIT ?1
