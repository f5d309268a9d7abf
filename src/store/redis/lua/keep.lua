#!lua
-- Appends webhooks to the inbox, as far as there is room: most events, most bytes, then weight and record of each.
-- Gives for each what is full, or nothing. One without a record is only asked about.
if call('HGET', key('m'), 'schema') ~= SCHEMA then
  return false
end
local most_events, most_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local counts = call('HMGET', key('m'), 'inbox', 'bytes', 'e0', 'e2', 'e3', 'place')
local inbox, bytes = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
local events = inbox + tonumber(counts[3] or 0) + tonumber(counts[4] or 0) + tonumber(counts[5] or 0)
local place = tonumber(counts[6])
local answers, fields, added, weighs = {}, {}, 0, 0
for at = 3, #ARGV, 2 do
  local weight = tonumber(ARGV[at])
  if events + added >= most_events then
    answers[#answers + 1] = 'events'
  elseif bytes + weighs + weight > most_bytes then
    answers[#answers + 1] = 'bytes'
  elseif not ARGV[at + 1] then
    answers[#answers + 1] = ''
  else
    fields[#fields + 1] = text(place + added)
    fields[#fields + 1] = ARGV[at + 1]
    added, weighs = added + 1, weighs + weight
    answers[#answers + 1] = ''
  end
end
if added > 0 then
  call('HSET', key('in'), unpack(fields))
  call('HSET', key('m'), 'inbox', text(inbox + added), 'bytes', text(bytes + weighs), 'place', text(place + added))
end
return answers
