#!lua flags=no-writes
-- What the store says of itself, to be compared with itself. `whole`: counters, and what they count. `lanes`, after a bucket,
-- so many: the lanes of whole buckets, and in which places they stand. `lane`, its record, its lead (or nothing), the set of
-- those that have that to themselves, and events: whether it is among those that know it and in that set, their receipts,
-- what they weigh; nothing if the lane is another one by now. `numbers`: the counters. `inbox`, after a place: some webhooks.
-- `traces`, after a bucket. `slabs`, after one: what the payloads of some slabs are counted as.
local function sizes(state)
  local found = 0
  for _, chunk in ipairs(call('HKEYS', key('ec' .. state))) do
    found = found + call('BITCOUNT', key('es' .. state .. ':' .. chunk))
  end
  return found
end

local function weighed(seq)
  local slab = slab_of(tonumber(seq))
  local payload = call('HGET', key('b:' .. slab), seq)
  local fetched = call('HGET', key('f:' .. slab), seq)
  return { seq, receipt_of(tonumber(seq)) or '', payload, fetched and #fetched or 0 }
end

-- The first bucket from one on that there is; nil when there is none any more.
local function next_bucket(marks, bucket)
  local bits = call('GET', key(marks)) or ''
  while math.floor(bucket / 8) < #bits do
    local byte = string.byte(bits, math.floor(bucket / 8) + 1)
    if byte == 0 then
      bucket = (math.floor(bucket / 8) + 1) * 8
    elseif bit.band(byte, bit.lshift(1, 7 - bucket % 8)) ~= 0 then
      return bucket
    else
      bucket = bucket + 1
    end
  end
end

local looks = {}

function looks.whole()
  local events, ready, waiting = {}, {}, {}
  for state = 0, 4 do
    events[state + 1] = sizes(state)
  end
  for line = 0, 3 do
    ready[line + 1] = call('ZCARD', key('q' .. line))
    waiting[line + 1] = call('ZCARD', key('w' .. line))
  end
  local aliases, bucket = 0, next_bucket('nb', 0)
  while bucket do
    aliases = aliases + call('HLEN', key(string.format('n:%03x', bucket)))
    bucket = next_bucket('nb', bucket + 1)
  end
  return {
    aliases, call('HGETALL', key('m')), call('HLEN', key('in')), events, ready, waiting, call('ZCARD', key('due')),
    call('ZCARD', key('lease')), call('ZCARD', key('day')), call('ZCARD', key('v')), call('GET', key('g')),
    call('HGETALL', key('p')),
  }
end

function looks.lanes()
  local bucket, most = next_bucket('lb', tonumber(ARGV[2])), tonumber(ARGV[3])
  local lanes = {}
  while bucket and #lanes < most do
    local found = call('HGETALL', key(string.format('l:%03x', bucket)))
    for index = 1, #found, 2 do
      lanes[#lanes + 1] = { string.char(math.floor(bucket / 16)) .. found[index], found[index + 1] }
    end
    bucket = next_bucket('lb', bucket + 1)
  end
  return { bucket and text(bucket) or false, lanes }
end

-- How many names are of lanes that are not there.
function looks.names()
  local strays, bucket = 0, next_bucket('nb', 0)
  while bucket do
    for _, alias in ipairs(call('HVALS', key(string.format('n:%03x', bucket)))) do
      strays = strays + (lane_of(string.sub(alias, 1, 16)) and 0 or 1)
    end
    bucket = next_bucket('nb', bucket + 1)
  end
  return strays
end

function looks.lane()
  local lane = ARGV[2]
  if lane_of(lane) ~= ARGV[3] then
    return false
  end
  local stands = {}
  for _, place in ipairs({ 'q0', 'q1', 'q2', 'q3', 'w0', 'w1', 'w2', 'w3', 'due', 'lease', 'day', 'v' }) do
    local score = call('ZSCORE', key(place), lane)
    if score then
      stands[#stands + 1] = place
      stands[#stands + 1] = score
    end
  end
  local is_listed, has_the_lead = false, false
  if ARGV[4] ~= '' then
    local names = each_of(lanes_that_know(ARGV[4]))
    -- Of very many, those that came first are listed no more.
    is_listed = #names == LISTED
    for _, name in ipairs(names) do
      is_listed = is_listed or name == lane
    end
    has_the_lead = call('ZSCORE', key(ARGV[5]), lane)
  end
  local events = {}
  for index = 6, #ARGV do
    events[#events + 1] = weighed(ARGV[index])
  end
  local function more(name)
    for _, seq in ipairs(call('ZRANGE', key(name .. lane), 0, -1)) do
      events[#events + 1] = weighed(seq)
    end
  end
  more('x:')
  more('a:')
  return { stands, is_listed and 1 or 0, has_the_lead and 1 or 0, events }
end

function looks.events()
  local events = {}
  for index = 2, #ARGV do
    events[#events + 1] = weighed(ARGV[index])
  end
  return events
end

function looks.numbers()
  return call('HGETALL', key('m'))
end

-- Traces of forgotten leads, of some buckets.
function looks.traces()
  local bucket, traces, left = tonumber(ARGV[2]), {}, 4096
  while bucket < 65536 and left > 0 do
    local first = string.char(math.floor(bucket / 256), bucket % 256)
    local place = trace_place(first)
    for _, rest in ipairs(call('HKEYS', place)) do
      traces[#traces + 1] = first .. rest
      left = left - 1
    end
    bucket, left = bucket + 1, left - 1
  end
  return { bucket < 65536 and text(bucket) or false, traces }
end

-- Up to a megabyte.
function looks.inbox()
  local low, next_place = unpack(call('HMGET', key('m'), 'low', 'place'))
  local place, bytes, webhooks = math.max(tonumber(ARGV[2]), tonumber(low or 1)), 0, {}
  next_place = tonumber(next_place or 1)
  while place < next_place and bytes < 1048576 do
    local webhook = call('HGET', key('in'), text(place))
    if webhook then
      webhooks[#webhooks + 1] = text(place)
      webhooks[#webhooks + 1] = webhook
      bytes = bytes + #webhook
    end
    place, bytes = place + 1, bytes + 64
  end
  return { place < next_place and text(place) or false, webhooks }
end

-- As many as are looked through in a few milliseconds.
function looks.slabs()
  local slab, bytes, left = tonumber(ARGV[2]), 0, 4096
  local slabs = math.ceil((tonumber(call('HGET', key('m'), 'seq') or 1) - 1) / SLAB)
  while slab < slabs and left > 0 do
    for _, payload in ipairs(call('HVALS', key('b:' .. text(slab)))) do
      bytes, left = bytes + struct.unpack('>I4', payload), left - 1
    end
    for _, answer in ipairs(call('HVALS', key('f:' .. text(slab)))) do
      bytes = bytes + #answer
    end
    slab, left = slab + 1, left - 1
  end
  return { slab < slabs and text(slab) or false, text(bytes) }
end

return looks[ARGV[1]]()
