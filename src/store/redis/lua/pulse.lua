#!lua flags=no-writes
-- What tells that something may have come in, and that a claim may give more.
return call('HMGET', key('m'), 'place', 'pulse')
