SELECT (SELECT count(*) FROM lane WHERE state = 2 AND why = 3), (SELECT count(*) FROM verify), (SELECT count(*) FROM alias)
