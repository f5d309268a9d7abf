#!lua flags=allow-oom
-- Writes something, so that a WAIT behind it waits for everything that was written before: also for what an earlier call
-- wrote that this one only found.
redis.call('INCR', KEYS[1] .. 'barrier')
