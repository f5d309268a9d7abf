SELECT ref, lead_id, doubles, twins, seen FROM incident WHERE ref = ?1
