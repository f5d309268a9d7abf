UPDATE alias SET lane = ?2 WHERE lane = ?1 AND NOT past
