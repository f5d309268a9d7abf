#!lua flags=no-writes
-- Answers several questions about one moment. The first answer is always what every step goes by.
local function lane_view(lane)
  local record = lane_of(lane)
  local incident = call('HGET', key('inc'), lane)
  if not record then
    return { false, call('HEXISTS', trace_place(lane)), incident }
  end
  -- The second byte of a lane is its state; of a dead one its dead events are wanted, too.
  if string.byte(record, 2) ~= 4 then
    return { record, 0, incident }
  end
  local dead = {}
  for index, seq in ipairs(call('ZRANGE', key('x:' .. lane), 0, -1)) do
    dead[index] = { seq, receipt_of(tonumber(seq)) or '' }
  end
  return { record, 0, incident, dead }
end

local function lanes_of(names)
  local lanes = {}
  for _, lane in ipairs(names) do
    local record = lane_of(lane)
    if record then
      lanes[#lanes + 1] = lane
      lanes[#lanes + 1] = record
    end
  end
  return lanes
end

local function ready()
  local counts = {}
  for line = 0, 3 do
    counts[line + 1] = call('ZCARD', key('q' .. line))
  end
  return counts
end

-- Whole hours of things that may be forgotten, oldest first, until there are enough.
local function forgettable(hours, lists, now, enough)
  local found = {}
  for _, hour in ipairs(call('ZRANGEBYSCORE', key(hours), '-inf', now, 'LIMIT', 0, 100)) do
    for _, name in ipairs(call('LRANGE', key(lists .. hour), 0, 999)) do
      found[#found + 1] = { hour, name }
    end
    if #found >= enough then
      break
    end
  end
  return found
end

local asks = {}

-- The gate: its record, and the limiter's log.
asks.gate = function(at)
  return { call('GET', key('g')), call('HGETALL', key('p')) }, at
end

asks.lane = function(at)
  return lane_view(ARGV[at]), at + 1
end

-- Whose a name is: the lane of which it is another name (with a byte that says whether it still is), the lane of that very
-- reference, and the first of them.
asks.named = function(at)
  local alias = call('HGET', name_place(ARGV[at]))
  return { alias, lane_view(ARGV[at]), alias and lane_view(string.sub(alias, 1, 16)) }, at + 1
end

asks.ready = function(at)
  return ready(), at
end

-- What a claim goes by: lanes whose lease has ended or that are due (at most so many of each), how many lanes are ready in
-- each line, the first of each, when the next ones are due, what is to be verified, and how many lanes are leased and wait
-- for a search. Numbers here are not exact to the nanosecond, so it gives those that may be due.
asks.claim = function(at)
  local reap, promote, verify = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local clock = call('HMGET', key('m'), 'clock', 'back')
  local now = math.max(tonumber(ARGV[at]), tonumber(clock[1] or 0)) + tonumber(clock[2] or 0)
  local bound = text(now + 1024)
  local first = {}
  for line = 0, 3 do
    first[line + 1] = lanes_of(call('ZRANGE', key('q' .. line), 0, 0))
  end
  return {
    lanes_of(call('ZRANGEBYSCORE', key('lease'), '-inf', bound, 'LIMIT', 0, reap)),
    lanes_of(call('ZRANGEBYSCORE', key('due'), '-inf', bound, 'LIMIT', 0, promote)),
    ready(),
    first,
    lanes_of(call('ZRANGE', key('lease'), 0, 0)),
    lanes_of(call('ZRANGE', key('due'), 0, 0)),
    lanes_of(call('ZRANGEBYSCORE', key('v'), '-inf', bound, 'LIMIT', 0, verify)),
    lanes_of(call('ZRANGEBYSCORE', key('v'), '(' .. bound, '+inf', 'LIMIT', 0, 1)),
    call('ZCARD', key('lease')),
    call('ZCARD', key('w3')),
  }, at + 4
end

-- The first lanes of a line.
asks.heads = function(at)
  return lanes_of(call('ZRANGE', key('q' .. ARGV[at]), 0, ARGV[at + 1] - 1)), at + 2
end

asks.leased = function(at)
  return lanes_of(call('ZRANGE', key('lease'), 0, ARGV[at] - 1)), at + 1
end

-- Lanes that have a lead to themselves, or had it when their workers were lost.
asks.users = function(at)
  return lanes_of(call('ZRANGE', key(ARGV[at]), 0, -1)), at + 1
end

-- Lanes that know a lead: their names as they are kept, and those that there still are.
asks.knowing = function(at)
  local names = lanes_that_know(ARGV[at])
  return { names, lanes_of(each_of(names)) }, at + 1
end

-- Lanes that wait for tomorrow.
asks.parked = function(at)
  return lanes_of(call('ZRANGE', key('day'), 0, ARGV[at] - 1)), at + 1
end

-- The receipt of the event with this id.
asks.known = function(at)
  local seq = call('HGET', id_place(ARGV[at]))
  if not seq then
    return false, at + 1
  end
  return { seq, receipt_of(tonumber(seq)) or '' }, at + 1
end

asks.receipt = function(at)
  return receipt_of(tonumber(ARGV[at])) or false, at + 1
end

-- How long what the sender's API said of an event is, and the event's receipt.
asks.fetched = function(at)
  local slab = slab_of(tonumber(ARGV[at]))
  local there = call('HEXISTS', key('f:' .. slab), ARGV[at])
  return { there, receipt_of(tonumber(ARGV[at])) or false }, at + 1
end

-- An event's payload.
asks.payload = function(at)
  local slab = slab_of(tonumber(ARGV[at]))
  return call('HGET', key('b:' .. slab), ARGV[at]), at + 1
end

asks.waits = function(at)
  return call('HEXISTS', key('in'), ARGV[at]), at + 1
end

asks.webhook = function(at)
  return call('HGET', key('in'), ARGV[at]), at + 1
end

-- Events that may be forgotten: hour, event, receipt.
asks.old_events = function(at)
  local found = {}
  for index, old in ipairs(forgettable('ez', 'eh:', ARGV[at], tonumber(ARGV[at + 1]))) do
    found[index] = { old[1], old[2], receipt_of(tonumber(old[2])) or '' }
  end
  return found, at + 2
end

-- Lanes that may be forgotten: hour, lane, record.
asks.old_lanes = function(at)
  local found = {}
  for index, old in ipairs(forgettable('lz', 'lh:', ARGV[at], tonumber(ARGV[at + 1]))) do
    found[index] = { old[1], old[2], lane_of(old[2]) or '' }
  end
  return found, at + 2
end

-- Past events of a lane that its record has no room for, before one, newest first.
asks.past = function(at)
  local before, most = ARGV[at + 1], ARGV[at + 2]
  return call('ZREVRANGEBYSCORE', key('a:' .. ARGV[at]), '(' .. before, '-inf', 'LIMIT', 0, most), at + 3
end

asks.dead = function(at)
  return call('ZRANGE', key('x:' .. ARGV[at]), 0, -1), at + 1
end

asks.incidents = function(at)
  return call('HGETALL', key('inc')), at
end

-- Sources, and since when.
asks.since = function(at)
  return call('HGETALL', key('src')), at
end

-- An event's payload, and what its sender's API said.
asks.held = function(at)
  local slab = slab_of(tonumber(ARGV[at]))
  return { call('HGET', key('b:' .. slab), ARGV[at]), call('HGET', key('f:' .. slab), ARGV[at]) }, at + 1
end

asks.sources = function(at)
  return call('HKEYS', key('src')), at
end

-- A memo, and how many others there are of its topic.
asks.memo = function(at)
  local memos = key('memo:' .. ARGV[at])
  local value = call('HGET', memos, ARGV[at + 1])
  return { value, call('HLEN', memos) - (value and 1 or 0) }, at + 2
end

asks.memos = function(at)
  return call('HGETALL', key('memo:' .. ARGV[at])), at + 1
end

-- Everything in numbers.
asks.numbers = function(at)
  local waiting, first = {}, {}
  for line = 0, 3 do
    waiting[line + 1] = call('ZCARD', key('w' .. line))
    for _, lane in ipairs(lanes_of(call('ZRANGE', key('q' .. line), 0, 0))) do
      first[#first + 1] = lane
    end
    for _, lane in ipairs(lanes_of(call('ZRANGE', key('w' .. line), 0, 0))) do
      first[#first + 1] = lane
    end
  end
  return {
    call('HGETALL', key('m')), ready(), waiting, first, call('ZCARD', key('lease')), call('ZCARD', key('day')),
    call('ZCARD', key('v')), call('HLEN', key('inc')),
  }, at
end

local base = call('HMGET', key('m'), 'schema', 'run', 'clock', 'back', 'gate', 'seq', 'names', 'listed')
base[#base + 1] = server_run()
base[#base + 1] = call('TIME')[1]
local answers = { base }
local at = 1
while at <= #ARGV do
  local answer
  answer, at = asks[ARGV[at]](at + 1)
  answers[#answers + 1] = answer
end
return answers
