SELECT (SELECT count(*) FROM lane WHERE state = 2 AND why = 3), (SELECT count(*) FROM verify), (SELECT count(*) FROM alias),
       (SELECT count(*) FROM lane WHERE state = 3 AND lead_id IS NULL)
