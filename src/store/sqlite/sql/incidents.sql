SELECT ref, lead_id, doubles, twins, seen FROM incident ORDER BY seen DESC, ref LIMIT ?1
