#!lua flags=allow-oom
-- CLAIM: fences a node that fell silent, unless it said something since.
-- KEYS: live, fence. ARGV: node value_seen inc ttl_s
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return {'CHANGED'} end
local fence = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if tonumber(ARGV[3]) > fence then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[4])
end
redis.call('HDEL', KEYS[1], ARGV[1])
return {'OK'}
