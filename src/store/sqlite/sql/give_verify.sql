SELECT due FROM verify WHERE lane = ?1
