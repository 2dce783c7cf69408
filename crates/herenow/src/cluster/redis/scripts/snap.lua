#!lua flags=allow-oom
-- SNAP: what a room's sections are, without those that the asker has already. Writes nothing, and is still no read for a
-- replica: a primary that was demoted has to refuse it, so that the asker learns of it.
-- KEYS: meta, locks, section*. ARGV: entries_max, then for each section: node stamp_known
local meta = redis.call('HGETALL', KEYS[1])
local left, asked, stamps = tonumber(ARGV[1]), {}, {}
for i = 3, #KEYS do asked['n:' .. ARGV[2 * i - 4]] = true end
for i = 1, #meta, 2 do
  local name, value = meta[i], meta[i + 1]
  if string.sub(name, 1, 2) == 'n:' and string.sub(value, 1, 1) == 'l' and not asked[name] then return {'AGAIN', meta} end
  stamps[name] = value
end
local sections = {}
for i = 3, #KEYS do
  local value = stamps['n:' .. ARGV[2 * i - 4]] or ''
  sections[i - 2] = ''
  if string.sub(value, 1, 1) == 'l' and value ~= 'l' .. ARGV[2 * i - 3] then
    local count = redis.call('HLEN', KEYS[i])
    sections[i - 2] = count
    if count <= left then
      left = left - count
      sections[i - 2] = redis.call('HGETALL', KEYS[i])
    end
  end
end
return {'OK', meta, sections, redis.call('HGET', KEYS[2], 'f') or '0'}
