SELECT seq, state, joined, source, received FROM event WHERE lane = ?1 ORDER BY seq
