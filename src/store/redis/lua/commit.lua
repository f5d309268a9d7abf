#!lua flags=allow-oom
-- One step: checks that nothing has moved that it was decided on, then does all of it; gives nothing if something has.
-- Run, back and clock that it was decided under, whether a claim may give more then, checks, and what is to be done.
-- A second time something has moved.
local answers = {}

-- What is counted is written once, at the end: by how much each counter grows, and how many events of each chunk more are
-- in each state.
local counted, marked = {}, {}

local function count(field, by)
  counted[field] = (counted[field] or 0) + by
end

-- Marks an event as in a state, or as not in it any more.
local function mark(state, seq, bit)
  local chunk = text(math.floor(seq / CHUNK))
  call('SETBIT', key('es' .. state .. ':' .. chunk), seq % CHUNK, bit)
  local sizes = marked[state] or {}
  marked[state] = sizes
  sizes[chunk] = (sizes[chunk] or 0) + 2 * bit - 1
  count('e' .. state, 2 * bit - 1)
end

local function write_counts()
  for state, sizes in pairs(marked) do
    for chunk, by in pairs(sizes) do
      if call('HINCRBY', key('ec' .. state), chunk, by) == 0 then
        call('HDEL', key('ec' .. state), chunk)
        call('DEL', key('es' .. state .. ':' .. chunk))
      end
    end
  end
  for field, by in pairs(counted) do
    if by ~= 0 then
      call('HINCRBY', key('m'), field, text(by))
    end
  end
end

local function is_later(left, right)
  local left_high, left_low = struct.unpack('>I4I4', left)
  local right_high, right_low = struct.unpack('>I4I4', right)
  return left_high > right_high or (left_high == right_high and left_low > right_low)
end

-- The hour since 1970 of a time in nanoseconds, eight bytes.
local function hour_of(time)
  local high, low = struct.unpack('>I4I4', time)
  return text(math.floor((high * 4294967296 + low) / 3600e9))
end

local function put_down(hours, list, hour, name)
  call('RPUSH', key(list .. hour), name)
  call('ZADD', key(hours), hour, hour)
end

local function take_up(hours, list, hour, name)
  call('LREM', key(list .. hour), 1, name)
  if call('EXISTS', key(list .. hour)) == 0 then
    call('ZREM', key(hours), hour)
  end
end

local function write(seq, receipt)
  local slab, index = slab_of(seq)
  call('LSET', key('s:' .. slab), index, receipt)
end

local function add(state, born, ended, payload, size)
  local seq = call('HINCRBY', key('m'), 'seq', 1) - 1
  local slab = slab_of(seq)
  call('RPUSH', key('s:' .. slab), struct.pack('>H', #born) .. born .. string.char(state) .. ended)
  local place, field = id_place(string.sub(born, 1, 16))
  call('HSET', place, field, text(seq))
  call('HSET', key('b:' .. slab), text(seq), payload)
  mark(state, seq, 1)
  count('bytes', size)
  local owner = string.sub(born, 17, 32)
  if state == DEAD and owner ~= NOBODY then
    call('ZADD', key('x:' .. owner), seq, text(seq))
  end
end

-- An event goes from one state to another. `released` is kept where none is given.
local function turn(seq, to, released, forget, rest)
  local receipt = receipt_of(seq)
  local from, born = state_of(receipt)
  if released == '' then
    released = string.sub(receipt, born + 4, born + 4)
  end
  write(seq, string.sub(receipt, 1, born + 2) .. string.char(to) .. released .. forget .. rest)
  if from == to then
    return
  end
  mark(from, seq, 0)
  mark(to, seq, 1)
  local owner = owner_of(receipt)
  if owner == NOBODY then
    return
  end
  if from == DEAD then
    call('ZREM', key('x:' .. owner), text(seq))
  elseif to == DEAD then
    call('ZADD', key('x:' .. owner), seq, text(seq))
  end
end

-- The payload of an event goes.
local function drop(seq)
  local slab, field = slab_of(seq), text(seq)
  local payload = call('HGET', key('b:' .. slab), field)
  if payload then
    local size = struct.unpack('>I4', payload) + call('HSTRLEN', key('f:' .. slab), field)
    call('HDEL', key('b:' .. slab), field)
    call('HDEL', key('f:' .. slab), field)
    count('bytes', -size)
  end
end

-- Nothing is left of an event.
local function forget(seq)
  local receipt = receipt_of(seq)
  local place, field = id_place(string.sub(receipt, 3, 18))
  if call('HGET', place, field) == text(seq) then
    call('HDEL', place, field)
  end
  mark(state_of(receipt), seq, 0)
  count('gone', 1)
  write(seq, '')
  local slab = slab_of(seq)
  if call('HINCRBY', key('sn'), slab, 1) == SLAB then
    call('HDEL', key('sn'), slab)
    call('DEL', key('s:' .. slab))
  end
end

local taken_out = false

-- A webhook leaves the inbox.
local function take_out(place)
  local record = call('HGET', key('in'), place)
  call('HDEL', key('in'), place)
  count('inbox', -1)
  count('sorted', 1)
  count('bytes', -struct.unpack('>I4', record))
  taken_out = true
  return record
end

-- The oldest place at which a webhook may be moves on.
local function move_low()
  local low, next_place = unpack(call('HMGET', key('m'), 'low', 'place'))
  local first = tonumber(low)
  while first < tonumber(next_place) and call('HEXISTS', key('in'), text(first)) == 0 do
    first = first + 1
  end
  call('HSET', key('m'), 'low', text(first))
end

local checks, steps = {}, {}

checks['gate?'] = function(at)
  return (call('HGET', key('m'), 'gate') or '0') == ARGV[at], at + 1
end

checks['lane?'] = function(at)
  return (lane_of(ARGV[at]) or '') == ARGV[at + 1], at + 2
end

checks['seq?'] = function(at)
  return call('HGET', key('m'), 'seq') == ARGV[at], at + 1
end

checks['names?'] = function(at)
  return (call('HGET', key('m'), 'names') or '0') == ARGV[at], at + 1
end

-- Nobody has come to know a lead since.
checks['knowing?'] = function(at)
  return lanes_that_know(ARGV[at]) == ARGV[at + 1], at + 2
end

checks['memo?'] = function(at)
  return (call('HGET', key('memo:' .. ARGV[at]), ARGV[at + 1]) or '') == ARGV[at + 2], at + 3
end

checks['webhook?'] = function(at)
  return call('HEXISTS', key('in'), ARGV[at]) == 1, at + 1
end

checks['state?'] = function(at)
  local receipt = receipt_of(tonumber(ARGV[at]))
  return receipt and state_of(receipt) == tonumber(ARGV[at + 1]), at + 2
end

steps.gate = function(at)
  call('SET', key('g'), ARGV[at])
  count('gate', 1)
  return at + 1
end

steps.permit = function(at)
  call('HSET', key('p'), ARGV[at], ARGV[at + 1])
  return at + 2
end

steps.no_permit = function(at)
  call('HDEL', key('p'), ARGV[at])
  return at + 1
end

-- The clock was set back: it stands at what the step was decided under, and everything is due as much earlier.
steps.back = function(at)
  call('HSET', key('m'), 'back', ARGV[at], 'clock', ARGV[at + 1])
  return at + 2
end

steps.lane = function(at)
  local place, field = lane_place(ARGV[at])
  if call('HSET', place, field, ARGV[at + 1]) == 1 then
    call('SETBIT', key('lb'), bucket_of(ARGV[at]), 1)
  end
  return at + 2
end

steps.no_lane = function(at)
  local place, field = lane_place(ARGV[at])
  call('HDEL', place, field)
  call('SETBIT', key('lb'), bucket_of(ARGV[at]), call('EXISTS', place))
  return at + 1
end

steps.put = function(at)
  call('ZADD', key(ARGV[at]), ARGV[at + 1], ARGV[at + 2])
  return at + 3
end

steps.take = function(at)
  call('ZREM', key(ARGV[at]), ARGV[at + 1])
  return at + 2
end

-- Takes a lane out of those that know a lead, and puts it behind them if it does.
local function list(lead, lane, knows)
  local left = {}
  for _, name in ipairs(each_of(lanes_that_know(lead))) do
    if name ~= lane then
      left[#left + 1] = name
    end
  end
  if knows then
    left[#left + 1] = lane
  end
  local place, field = lead_place(lead)
  if #left == 0 then
    call('HDEL', place, field)
  else
    call('HSET', place, field, table.concat(left, '', math.max(1, #left - LISTED + 1)))
  end
end

steps.list = function(at)
  list(ARGV[at], ARGV[at + 1], true)
  return at + 2
end

steps.unlist = function(at)
  list(ARGV[at], ARGV[at + 1], false)
  return at + 2
end

-- Every lane is listed under its lead.
steps.all_listed = function(at)
  call('HSET', key('m'), 'listed', '1')
  return at
end

steps.count = function(at)
  count(ARGV[at], tonumber(ARGV[at + 1]))
  return at + 2
end

steps.event = function(at)
  add(tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4]))
  return at + 5
end

steps.turn = function(at)
  turn(tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2], string.rep('\0', 8), ARGV[at + 3])
  return at + 4
end

-- An event ends for good: not before a time may its receipt be forgotten, nor while its id is remembered.
steps.let_go = function(at)
  local seq, not_before = tonumber(ARGV[at]), ARGV[at + 2]
  local known_until = string.sub(receipt_of(seq), 35, 42)
  local when = is_later(known_until, not_before) and known_until or not_before
  turn(seq, tonumber(ARGV[at + 1]), '', when, ARGV[at + 3])
  drop(seq)
  put_down('ez', 'eh:', hour_of(when), text(seq))
  return at + 4
end

steps.rename = function(at)
  local seq = tonumber(ARGV[at])
  local receipt = receipt_of(seq)
  call('HDEL', id_place(string.sub(receipt, 3, 18)))
  local place, field = id_place(ARGV[at + 1])
  call('HSET', place, field, text(seq))
  write(seq, string.sub(receipt, 1, 2) .. ARGV[at + 1] .. string.sub(receipt, 19))
  return at + 2
end

steps.take_out = function(at)
  take_out(ARGV[at])
  return at + 1
end

-- A webhook that could not be split becomes a dead letter, whole.
steps.bury_whole = function(at)
  local record = take_out(ARGV[at])
  local weight = struct.unpack('>I4', record)
  add(DEAD, ARGV[at + 1], ARGV[at + 2], string.sub(record, 1, 4) .. '\1' .. record, weight)
  return at + 3
end

-- And back into the inbox.
steps.sort_again = function(at)
  local seq = tonumber(ARGV[at])
  local slab = key('b:' .. slab_of(seq))
  local record = string.sub(call('HGET', slab, ARGV[at]), 6)
  call('HDEL', slab, ARGV[at])
  forget(seq)
  local place = call('HINCRBY', key('m'), 'place', 1) - 1
  call('HSET', key('in'), text(place), record)
  count('inbox', 1)
  return at + 1
end

steps.fetched = function(at)
  local answers_of = key('f:' .. slab_of(tonumber(ARGV[at])))
  local before = call('HSTRLEN', answers_of, ARGV[at])
  call('HSET', answers_of, ARGV[at], ARGV[at + 1])
  count('bytes', #ARGV[at + 1] - before)
  return at + 2
end

steps.forget = function(at)
  forget(tonumber(ARGV[at]))
  take_up('ez', 'eh:', ARGV[at + 1], ARGV[at])
  return at + 2
end

steps.put_down = function(at)
  put_down('lz', 'lh:', ARGV[at + 1], ARGV[at])
  return at + 2
end

steps.take_up = function(at)
  take_up('lz', 'lh:', ARGV[at + 1], ARGV[at])
  return at + 2
end

-- A name is another name of a lane.
steps.name = function(at)
  local place, field = name_place(ARGV[at])
  if call('HSET', place, field, ARGV[at + 1]) == 1 then
    count('aliases', 1)
    call('SETBIT', key('nb'), bucket_of(ARGV[at]), 1)
  end
  count('names', 1)
  return at + 2
end

steps.no_name = function(at)
  local place, field = name_place(ARGV[at])
  count('aliases', -call('HDEL', place, field))
  call('SETBIT', key('nb'), bucket_of(ARGV[at]), call('EXISTS', place))
  count('names', 1)
  return at + 1
end

steps.memo = function(at)
  call('HSET', key('memo:' .. ARGV[at]), ARGV[at + 1], ARGV[at + 2])
  return at + 3
end

steps.trace = function(at)
  local place, field = trace_place(ARGV[at])
  call('HSET', place, field, '')
  return at + 1
end

steps.incident = function(at)
  call('HSET', key('inc'), ARGV[at], ARGV[at + 1])
  return at + 2
end

-- Forgets an incident, or all, and gives how many there were.
steps.dismiss = function(at)
  if ARGV[at] ~= '' then
    answers[#answers + 1] = call('HDEL', key('inc'), ARGV[at])
  else
    answers[#answers + 1] = call('HLEN', key('inc'))
    call('DEL', key('inc'))
  end
  return at + 1
end

steps.source = function(at)
  call('HSETNX', key('src'), ARGV[at], ARGV[at + 1])
  return at + 2
end

-- Gives events with what is in them, as far as they have so many bytes together; the first in any case.
steps.in_hand = function(at)
  local most, left = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local events, bytes = {}, 0
  for index = at + 2, at + 1 + left do
    local seq = tonumber(ARGV[index])
    local slab = slab_of(seq)
    local payload = call('HGET', key('b:' .. slab), ARGV[index])
    local fetched = call('HGET', key('f:' .. slab), ARGV[index])
    bytes = bytes + struct.unpack('>I4', payload) + (fetched and #fetched or 0)
    if bytes > most and #events > 0 then
      break
    end
    events[#events + 1] = { ARGV[index], receipt_of(seq), payload, fetched }
  end
  answers[#answers + 1] = events
  return at + 2 + left
end

-- The rest of a slab of receipts, up to one, is of events that are not there.
local function pad(slab, length)
  for _ = call('LLEN', key('s:' .. slab)), length - 1 do
    call('RPUSH', key('s:' .. slab), '')
    call('HINCRBY', key('sn'), slab, 1)
  end
end

-- An event of another store, in order: its place, state, what it was born with, the rest of its receipt, its payload and
-- what its sender's API said (each after a byte, or nothing), the hour when it may be forgotten.
steps.bring = function(at)
  local seq, state, born = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
  local slab, index = slab_of(seq)
  local last = tonumber(call('HGET', key('m'), 'brought') or seq)
  if slab_of(last) ~= slab then
    pad(slab_of(last), SLAB)
  end
  call('HSET', key('m'), 'brought', ARGV[at])
  pad(slab, index)
  call('RPUSH', key('s:' .. slab), struct.pack('>H', #born) .. born .. string.char(state) .. ARGV[at + 3])
  local place, field = id_place(string.sub(born, 1, 16))
  call('HSET', place, field, ARGV[at])
  mark(state, seq, 1)
  if ARGV[at + 4] ~= '' then
    local payload = string.sub(ARGV[at + 4], 2)
    call('HSET', key('b:' .. slab), ARGV[at], payload)
    count('bytes', struct.unpack('>I4', payload))
  end
  if ARGV[at + 5] ~= '' then
    call('HSET', key('f:' .. slab), ARGV[at], string.sub(ARGV[at + 5], 2))
    count('bytes', #ARGV[at + 5] - 1)
  end
  local owner = string.sub(born, 17, 32)
  if state == DEAD and owner ~= NOBODY then
    call('ZADD', key('x:' .. owner), seq, ARGV[at])
  end
  if ARGV[at + 6] ~= '' then
    put_down('ez', 'eh:', ARGV[at + 6], ARGV[at])
  end
  return at + 7
end

-- A webhook of another store, in its place.
steps.put_in = function(at)
  call('HSET', key('in'), ARGV[at], ARGV[at + 1])
  count('inbox', 1)
  count('bytes', struct.unpack('>I4', ARGV[at + 1]))
  return at + 2
end

-- All is there: the next place of a webhook, of an event, and how many were sorted and are gone.
steps.whole = function(at)
  local last, next_seq = call('HGET', key('m'), 'brought'), tonumber(ARGV[at + 1])
  local slab, index = slab_of(next_seq)
  if last and slab_of(tonumber(last)) ~= slab then
    pad(slab_of(tonumber(last)), SLAB)
  end
  pad(slab, index)
  local low = tonumber(ARGV[at])
  for _, place in ipairs(call('HKEYS', key('in'))) do
    low = math.min(low, tonumber(place))
  end
  call('HSET', key('m'), 'place', ARGV[at], 'seq', ARGV[at + 1], 'sorted', ARGV[at + 2], 'gone', ARGV[at + 3], 'low', text(low))
  return at + 4
end

local noted = call('HMGET', key('m'), 'schema', 'run', 'back', 'clock')
if noted[1] ~= SCHEMA or noted[2] ~= ARGV[1] or server_run() ~= ARGV[1] or (noted[3] or '0') ~= ARGV[2] then
  return false
end
local at = 5
while checks[ARGV[at]] do
  local holds
  holds, at = checks[ARGV[at]](at + 1)
  if not holds then
    return false
  end
end
if tonumber(noted[4] or 0) < tonumber(ARGV[3]) then
  call('HSET', key('m'), 'clock', ARGV[3])
end
if ARGV[4] == '1' then
  count('pulse', 1)
end
while at <= #ARGV do
  at = steps[ARGV[at]](at + 1)
end
if taken_out then
  move_low()
end
write_counts()
return answers
