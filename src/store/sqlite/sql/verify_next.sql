SELECT min(due) FROM verify WHERE due > ?1
