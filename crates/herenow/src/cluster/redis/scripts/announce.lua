#!lua flags=allow-oom
-- ANNOUNCE: notes what an app is told of the users of a room, and says what of it is news: whichever node says a thing first
-- tells it. A name that stands for all of a tag shows whether what was noted is lost.
-- KEYS: told, name, meta. ARGV: ttl_s node name_known name_new silent forced tag (user state joined_ms at_ms)*
local told, ttl, node = KEYS[1], ARGV[1], ARGV[2]
local name = redis.call('GET', KEYS[2])
if not name then
  name = ARGV[4]
  redis.call('SET', KEYS[2], name)
end
redis.call('EXPIRE', KEYS[2], ttl)
if ARGV[3] ~= '' and ARGV[3] ~= name then return {'LOST', name} end
if ARGV[7] ~= '' and redis.call('HGET', KEYS[3], 't') ~= ARGV[7] then return {'CHANGED'} end
local silent, forced = ARGV[5] == '1', ARGV[6] == '1'
local out = {'OK', name}
for i = 8, #ARGV, 4 do
  local user, state, joined = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local was, since = string.match(redis.call('HGET', told, user) or '', '^(%a) (%d+) ')
  was = was or 'l'
  -- Who goes came when that was noted, unless it is known better.
  if joined == '0' and since then joined = since end
  local news = 0
  if was ~= state or forced then
    local count = tonumber(redis.call('HGET', told, '') or '0')
    if was ~= state then count = count + (state == 'j' and 1 or -1) end
    redis.call('HSET', told, '', count)
    if state == 'l' and silent then
      redis.call('HDEL', told, user)
    else
      redis.call('HSET', told, user, state .. ' ' .. joined .. ' ' .. ARGV[i + 3] .. ' ' .. (silent and '-' or node))
    end
    news = ((state == 'j' and count == 1) or (state == 'l' and count <= 0)) and 2 or 1
  end
  out[#out + 1] = news .. ' ' .. joined
end
redis.call('EXPIRE', told, ttl)
return out
