SELECT alias.name, lane.ref, alias.past FROM alias LEFT JOIN lane ON lane.id = alias.lane
