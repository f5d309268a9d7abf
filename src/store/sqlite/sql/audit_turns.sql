SELECT ref, lead_id FROM lane WHERE state = 3 AND due IS NOT NULL AND lead_id IS NOT NULL ORDER BY id
