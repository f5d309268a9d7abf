UPDATE verify SET due = ?2 WHERE lane = (SELECT id FROM lane WHERE ref = ?1)
