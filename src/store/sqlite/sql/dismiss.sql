DELETE FROM incident WHERE ?1 IS NULL OR ref = ?1
