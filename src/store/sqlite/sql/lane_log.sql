SELECT log FROM lane WHERE id = ?1
