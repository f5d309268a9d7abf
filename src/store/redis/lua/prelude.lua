-- What the scripts share. Every key begins with KEYS[1], `kb:{prefix}:`, so that all are in one slot.
--
--   m           hash    schema, run, clock, back, gate (its revision), counters
--   g, p        string, hash   the gate's record; the limiter's log: permit -> until
--   in          hash    place -> webhook that is not sorted yet
--   l:<bucket>  hash    lane -> record; a lane is named by half a hash of its reference. lb, nb: a bit for each bucket of
--                       lanes, of names, that there is
--   s:<slab>    list    receipts of 128 events in order; empty once forgotten. sn: how many of a slab are
--   b:<slab>, f:<slab>  hash   event -> payload; event -> what its sender's API said
--   i:<bucket>  hash    event id -> event
--   es<n>:<chunk>, ec<n>       string, hash   which events are in state n, a bit each; how many of a chunk are
--   x:<lane>, a:<lane>         zset   its dead events; past events that its record has no room for
--   q<n>, w<n>  zset    lanes that are ready, that wait, in line n, by place. due, lease, day: by until when
--   u:<lead>    zset    lanes that have this lead to themselves, or had it when their workers were lost; a lead is named by
--                       half a hash of its id
--   k:<bucket>  hash    lead -> lanes that know it, 16 bytes each: those that came last
--   v, inc      zset, hash     lanes to be verified, by when; incidents
--   ez, eh:<hour>; lz, lh:<hour>   zset, list  what may be forgotten then: events; lanes
--   n:<bucket>  hash    another name of a lane, by half a hash of it -> lane, and whether it is one no more
--   memo:<topic>        hash   key -> value
--   t:<bucket>, src     hash   traces of forgotten leads; sources that have been on
local call = redis.call
local root = KEYS[1]
local SCHEMA = '1'
local SLAB, CHUNK = 128, 32768
-- Lanes that are listed under a lead, at most: one, and those that it hears.
local LISTED = 101
local DEAD, NOBODY = 3, string.rep('\0', 16)

local function key(name)
  return root .. name
end

local function text(number)
  return string.format('%.0f', number)
end

local function bucket_of(lane)
  local first, second = string.byte(lane, 1, 2)
  return first * 16 + math.floor(second / 16)
end

local function lane_place(lane)
  return key(string.format('l:%03x', bucket_of(lane))), string.sub(lane, 2)
end

local function id_place(id)
  return key(string.format('i:%02x%02x', string.byte(id, 1, 2))), string.sub(id, 3)
end

-- Who knows a lead, which is named by half a hash of its id.
local function lead_place(lead)
  return key(string.format('k:%03x', bucket_of(lead))), string.sub(lead, 2)
end

local function lanes_that_know(lead)
  return call('HGET', lead_place(lead)) or ''
end

local function each_of(names)
  local each = {}
  for first = 1, #names, 16 do
    each[#each + 1] = string.sub(names, first, first + 15)
  end
  return each
end

local function name_place(name)
  return key(string.format('n:%03x', bucket_of(name))), string.sub(name, 2)
end

local function trace_place(lane)
  return key(string.format('t:%02x%02x', string.byte(lane, 1, 2))), string.sub(lane, 3)
end

local function lane_of(lane)
  local place, field = lane_place(lane)
  return call('HGET', place, field)
end

local function slab_of(seq)
  return text(math.floor((seq - 1) / SLAB)), (seq - 1) % SLAB
end

-- The receipt of an event: length of what it was born with (two bytes), that (its id and its lane first), state, whether
-- it was released, when it may be forgotten (eight bytes), the rest. nil when it is forgotten.
local function receipt_of(seq)
  local slab, index = slab_of(seq)
  local receipt = call('LINDEX', key('s:' .. slab), index)
  return receipt and receipt ~= '' and receipt or nil
end

local function state_of(receipt)
  local born = struct.unpack('>H', receipt)
  return string.byte(receipt, born + 3), born
end

local function owner_of(receipt)
  return string.sub(receipt, 19, 34)
end

local function server_run()
  return string.match(call('INFO', 'server'), 'run_id:(%w+)')
end
