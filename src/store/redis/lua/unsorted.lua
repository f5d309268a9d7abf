#!lua flags=no-writes
-- The oldest webhooks of the inbox: at most so many, and with bodies of so many bytes, behind a place.
local most, most_bytes, after = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local counts = call('HMGET', key('m'), 'schema', 'low', 'place', 'inbox')
local left = math.min(most, tonumber(counts[4] or 0))
local found, bytes = {}, 0
local place = math.max(tonumber(counts[2] or 1), after + 1)
while left > 0 and place < tonumber(counts[3]) do
  local record = call('HGET', key('in'), text(place))
  if record then
    local _, body = struct.unpack('>I4I4', record)
    if bytes > 0 and bytes + body > most_bytes then
      break
    end
    found[#found + 1] = text(place)
    found[#found + 1] = record
    bytes, left = bytes + body, left - 1
  end
  place = place + 1
end
return { counts[1], found }
