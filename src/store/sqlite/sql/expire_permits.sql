DELETE FROM permit WHERE until <= ?1
