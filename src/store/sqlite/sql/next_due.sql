SELECT min(due) FROM lane WHERE state = ?1 AND due IS NOT NULL
