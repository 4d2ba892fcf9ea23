-- Takes from buckets: for every take in the batch, all of its charges together or none of them.
--
-- KEYS[i]      the bucket of charge i. In Redis Cluster all keys of one call lie in one slot.
-- ARGV[1]      how many charges belong to each take: packed 16-bit little-endian integers.
-- ARGV[i + 1]  charge i: packed little-endian doubles, all whole and below 2^53.
--   token bucket:  0, mode, hits, ticks, cost us, cost ticks, capacity us, capacity ticks, floor us, floor ticks,
--                 draw
--   fixed window:  1, mode, hits, period us, capacity units, floor units, 0, 0, 0, 0, 0
--     mode      0 enforce, 1 shadow, 2 overdraft, 3 quota, 4 shadow and overdraft
--     ticks     in one microsecond. A time is a pair (whole microseconds, ticks below one microsecond).
--     cost      the time in which |hits| units come back
--     capacity  the time in which an empty bucket fills; -1: nothing ever passes
--     floor     how far below empty an overdraft may go
--     draw      0, or 1 and then (token buckets only; costs are pairs as above):
--               lease us, old epoch, old cost, unspent cost, number of rungs, and for each rung: units, cost
--               The old lease is settled, and the first rung that fits is drawn as a new one, spendable for `lease`.
--
-- Result: {now us, then for each charge: a, b, over, units drawn, epoch}, and before the charges of each take 1 when it
-- was admitted, otherwise 0.
--   token bucket: a, b = the time at which it is full again. fixed window: a, b = its end in us, units taken.
--   over 1: this charge found no room. epoch: the end of the lease that was drawn, in us.
--
-- State, a string that expires when the bucket is full or the window over:
--   token bucket: "us:ticks" and for leases that are out ";epoch:us:ticks" each (the cost of their units).
--   fixed window: "end us:units".
-- A lease that is out may be spent at any moment until its epoch, so what it costs is room that the bucket must not
-- refill; when it is settled or its epoch passes, its units count as spent at that moment. The total over all replicas
-- therefore never exceeds burst + rate x time, in any interval.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local EPOCH = 500000
local unpack_doubles = '<ddddddddddd'

-- A pair sum; `ticks` make one microsecond.
local function add(us, part, more_us, more_part, ticks)
  us, part = us + more_us, part + more_part
  if part >= ticks then return us + 1, part - ticks end
  return us, part
end

local function sub(us, part, less_us, less_part, ticks)
  us, part = us - less_us, part - less_part
  if part < 0 then return us - 1, part + ticks end
  return us, part
end

local function later(us, part, than_us, than_part)
  return us > than_us or (us == than_us and part > than_part)
end

-- The bucket is at least as far from full as what is leased out at `at`.
local function hold(state, at, ticks)
  local us, part = at, 0
  for _, lease in pairs(state.out) do us, part = add(us, part, lease[1], lease[2], ticks) end
  if later(us, part, state.us, state.part) then state.us, state.part = us, part end
end

local function load_token(key, ticks)
  local state = {us = 0, part = 0, out = {}}
  local text = redis.call('GET', key)
  if text then
    local us, part, rest = string.match(text, '^(%d+):(%d+)(.*)$')
    if us then
      -- A new rate may count other ticks; a part of a microsecond too little is all that can be lost.
      state.us, state.part = tonumber(us), math.min(tonumber(part), ticks - 1)
      for epoch, cost_us, cost_part in string.gmatch(rest, ';(%d+):(%d+):(%d+)') do
        state.out[tonumber(epoch)] = {tonumber(cost_us), math.min(tonumber(cost_part), ticks - 1)}
      end
    end
  end
  if next(state.out) then
    local ended = {}
    for epoch in pairs(state.out) do
      if epoch <= now then ended[#ended + 1] = epoch end
    end
    table.sort(ended)
    for _, epoch in ipairs(ended) do
      hold(state, epoch, ticks)
      state.out[epoch] = nil
    end
  end
  hold(state, now, ticks)
  return state
end

local function load_window(key, period)
  local state = {us = now - math.fmod(now, period) + period, part = 0}
  local text = redis.call('GET', key)
  if text then
    local us, count = string.match(text, '^(%d+):(%d+)$')
    if us and tonumber(us) > now then state.us, state.part = tonumber(us), tonumber(count) end
  end
  return state
end

local function copy(state)
  if not state.out then return {us = state.us, part = state.part} end
  local out = {}
  for epoch, lease in pairs(state.out) do out[epoch] = lease end
  return {us = state.us, part = state.part, out = out}
end

local live, dirty = {}, {}

-- Apply one charge to a state; returns whether there was room. A charge without room changes nothing, except an
-- overdraft.
local function charge_token(state, mode, hits, ticks, cost_us, cost_part, top_us, top_part, floor_us, floor_part)
  if hits < 0 then
    state.us, state.part = sub(state.us, state.part, cost_us, cost_part, ticks)
    hold(state, now, ticks)
    return true
  end
  local us, part = add(state.us, state.part, cost_us, cost_part, ticks)
  if top_us >= 0 and not later(us, part, now + top_us, top_part) then
    state.us, state.part = us, part
    return true
  end
  if mode == 2 or mode == 4 then
    local end_us, end_part = add(now + math.max(top_us, 0), top_part, floor_us, floor_part, ticks)
    if later(us, part, end_us, end_part) then us, part = end_us, end_part end
    if later(us, part, state.us, state.part) then state.us, state.part = us, part end
  end
  return false
end

local function charge_window(state, mode, hits, capacity, floor)
  local count = state.part + hits
  if hits < 0 then
    state.part = math.max(count, 0)
    return true
  end
  if count <= capacity then
    state.part = count
    return true
  end
  if mode == 2 or mode == 4 then
    state.part = math.max(state.part, math.min(count, math.max(capacity, 0) + floor))
  end
  return false
end

local function draw(state, blob, at, ticks, top_us, top_part)
  local lease_us, old, old_us, old_part, back_us, back_part, rungs
  lease_us, old, old_us, old_part, back_us, back_part, rungs, at = struct.unpack('<ddddddd', blob, at)
  local out = state.out[old]
  if out then
    local us, part = sub(out[1], out[2], old_us, old_part, ticks)
    state.out[old] = (us > 0 or (us == 0 and part > 0)) and {us, part} or nil
  end
  if back_us > 0 or back_part > 0 then
    state.us, state.part = sub(state.us, state.part, back_us, back_part, ticks)
    hold(state, now, ticks)
  end
  for _ = 1, rungs do
    local units, us, part
    units, us, part, at = struct.unpack('<ddd', blob, at)
    local full_us, full_part = add(state.us, state.part, us, part, ticks)
    if not later(full_us, full_part, now + top_us, top_part) then
      local epoch = math.ceil((now + lease_us) / EPOCH) * EPOCH
      local more = state.out[epoch] or {0, 0}
      local more_us, more_part = add(more[1], more[2], us, part, ticks)
      state.us, state.part, state.out[epoch] = full_us, full_part, {more_us, more_part}
      return units, epoch
    end
  end
  return 0, 0
end

local result, place = {now}, 0
local sizes = ARGV[1]

for take = 1, #sizes / 2 do
  local size = struct.unpack('<H', sizes, 2 * take - 1)
  local pending, charges, admitted, quotas, quotas_over = {}, {}, true, 0, 0
  for i = place + 1, place + size do
    local key, blob = KEYS[i], ARGV[i + 1]
    local c = {struct.unpack(unpack_doubles, blob)}
    if not live[key] then
      live[key] = c[1] == 0 and load_token(key, c[4]) or load_window(key, c[4])
    end
    local state = pending[key]
    if not state then
      state = copy(live[key])
      pending[key] = state
    end
    local room
    if c[1] == 0 then
      room = charge_token(state, c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
    else
      room = charge_window(state, c[2], c[3], c[5], c[6])
    end
    c.room, c.units, c.epoch = room, 0, 0
    charges[#charges + 1] = c
    if c[2] == 3 then
      quotas = quotas + 1
      if not room then quotas_over = quotas_over + 1 end
    elseif not room and c[2] ~= 1 and c[2] ~= 4 then
      admitted = false
    end
  end
  if quotas > 0 and quotas == quotas_over then admitted = false end
  if not admitted then
    pending = {}
    for n, c in ipairs(charges) do
      if c[3] < 0 or c[2] == 2 or c[2] == 4 then
        local key = KEYS[place + n]
        pending[key] = pending[key] or copy(live[key])
        if c[1] == 0 then
          charge_token(pending[key], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
        else
          charge_window(pending[key], c[2], c[3], c[5], c[6])
        end
      end
    end
  else
    for n, c in ipairs(charges) do
      if c[1] == 0 and c[11] == 1 then
        local key = KEYS[place + n]
        c.units, c.epoch = draw(pending[key], ARGV[place + n + 1], 89, c[4], c[7], c[8])
      end
    end
  end
  for key, state in pairs(pending) do live[key] = state end
  result[#result + 1] = admitted and 1 or 0
  for n, c in ipairs(charges) do
    local key, at = KEYS[place + n], #result
    local state = live[key]
    if c[3] ~= 0 or c[11] == 1 then dirty[key] = true end
    result[at + 1], result[at + 2], result[at + 3] = state.us, state.part, c.room and 0 or 1
    result[at + 4], result[at + 5] = c.units, c.epoch
  end
  place = place + size
end

for key in pairs(dirty) do
  local state = live[key]
  local last, text = state.us, string.format('%.0f:%.0f', state.us, state.part)
  if state.out then
    for epoch, lease in pairs(state.out) do
      text = text .. string.format(';%.0f:%.0f:%.0f', epoch, lease[1], lease[2])
      if epoch > last then last = epoch end
    end
  end
  if last > now or (last == now and state.part > 0) then
    redis.call('SET', key, text, 'PX', string.format('%.0f', math.floor((last - now) / 1000) + 1))
  else
    redis.call('DEL', key)
  end
end

return result
