DELETE FROM verify WHERE lane = (SELECT id FROM lane WHERE ref = ?1)
