#!lua flags=allow-oom
-- A server that was not known yet, or has been started anew: nothing else goes on before this is noted. The run that was
-- noted, the server's own, the gate's revision; the gate's new record, and whether nothing more is heard of calls under way.
local noted = call('HMGET', key('m'), 'schema', 'run', 'gate')
if (noted[1] and noted[1] ~= SCHEMA) or (noted[2] or '') ~= ARGV[1] or server_run() ~= ARGV[2]
  or (noted[3] or '0') ~= ARGV[3] then
  return false
end
call('HSET', key('m'), 'run', ARGV[2])
call('SET', key('g'), ARGV[4])
call('HINCRBY', key('m'), 'gate', 1)
if ARGV[5] == '1' then
  for _, id in ipairs(call('HKEYS', key('p'))) do
    call('HSET', key('p'), id, (string.gsub(call('HGET', key('p'), id), 'f$', '')))
  end
end
for _, first in ipairs({ 'place', 'seq', 'low' }) do
  call('HSETNX', key('m'), first, 1)
end
-- In a store that is new all lanes are listed under their leads.
if call('HSETNX', key('m'), 'schema', SCHEMA) == 1 then
  call('HSETNX', key('m'), 'listed', '1')
end
return 1
