UPDATE lane SET state = 1, due = NULL, why = NULL WHERE state = 2 AND why = 3 RETURNING line
