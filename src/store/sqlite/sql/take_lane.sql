UPDATE lane SET forget = ?2, log = ?3 WHERE id = ?1
