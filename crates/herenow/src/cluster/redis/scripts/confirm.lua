#!lua flags=allow-oom
-- CONFIRM: the app has taken what this node told of users of a room, so that nobody has to tell it again.
-- KEYS: told. ARGV: node (user state at_ms)*
local told = KEYS[1]
for i = 2, #ARGV, 3 do
  local state, joined, at, node = string.match(redis.call('HGET', told, ARGV[i]) or '', '^(%a) (%d+) (%d+) (%x+)$')
  if state == ARGV[i + 1] and at == ARGV[i + 2] and node == ARGV[1] then
    if state == 'l' then
      redis.call('HDEL', told, ARGV[i])
    else
      redis.call('HSET', told, ARGV[i], state .. ' ' .. joined .. ' ' .. at .. ' -')
    end
  end
end
if redis.call('HLEN', told) == 1 and redis.call('HGET', told, '') == '0' then redis.call('DEL', told) end
return {'OK'}
