#!lua flags=no-writes
-- Looks through events: in this state ('' for any), from this one on, 'up' or 'down', at most so many. Gives where to go
-- on (nothing at the end), the events with their receipts, and the lanes that they are of.
local state, from, step, most = ARGV[1], tonumber(ARGV[2]), ARGV[3] == 'up' and 1 or -1, tonumber(ARGV[4])
local last = tonumber(call('HGET', key('m'), 'seq') or 1) - 1
local events, lanes, seen, looked = {}, {}, {}, 0

local function show(seq)
  local receipt = receipt_of(seq)
  looked = looked + 1
  if not receipt then
    return
  end
  events[#events + 1] = text(seq)
  events[#events + 1] = receipt
  local owner = owner_of(receipt)
  if owner ~= NOBODY and not seen[owner] then
    seen[owner] = true
    lanes[#lanes + 1] = owner
    lanes[#lanes + 1] = lane_of(owner) or ''
  end
end

-- Any state: one after the other; whole slabs that are forgotten cost one look.
local function everything()
  local seq = step == 1 and math.max(from, 1) or math.min(from, last)
  while seq >= 1 and seq <= last do
    if looked >= most then
      return seq
    end
    local slab = math.floor((seq - 1) / SLAB)
    if call('EXISTS', key('s:' .. text(slab))) == 1 then
      local ends = step == 1 and math.min((slab + 1) * SLAB, last) or slab * SLAB + 1
      while looked < most and (ends - seq) * step >= 0 do
        show(seq)
        seq = seq + step
      end
    else
      looked = looked + 1
      seq = step == 1 and (slab + 1) * SLAB + 1 or slab * SLAB
    end
  end
  return false
end

-- One state: by its marks.
local function marked()
  local chunks = {}
  for _, chunk in ipairs(call('HKEYS', key('ec' .. state))) do
    chunks[#chunks + 1] = tonumber(chunk)
  end
  table.sort(chunks, function(left, right) return (right - left) * step > 0 end)
  for _, chunk in ipairs(chunks) do
    local base = chunk * CHUNK
    local bits = call('GET', key('es' .. state .. ':' .. text(chunk))) or ''
    local first, final = 1, #bits
    if step == 1 then
      first = math.max(first, math.floor((from - base) / 8) + 1)
    else
      first, final = math.min(final, math.floor((from - base) / 8) + 1), 1
    end
    for index = first, final, step do
      local byte = string.byte(bits, index)
      if byte ~= 0 then
        for offset = step == 1 and 0 or 7, step == 1 and 7 or 0, step do
          local seq = base + (index - 1) * 8 + offset
          if bit.band(byte, bit.lshift(1, 7 - offset)) ~= 0 and (seq - from) * step >= 0 then
            if looked >= most then
              return seq
            end
            show(seq)
          end
        end
      end
    end
  end
  return false
end

local on = state == '' and everything() or state ~= '' and marked()
return { on and text(on) or false, events, lanes }
