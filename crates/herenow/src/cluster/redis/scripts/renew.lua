#!lua flags=allow-oom
-- RENEW: a node says that it lives, and learns who else does.
-- KEYS: live, fence, format. ARGV: node inc counter info format
local format = redis.call('GET', KEYS[3])
if not format then
  redis.call('SET', KEYS[3], ARGV[5])
elseif format ~= ARGV[5] then
  return {'FORMAT', format}
end
local fence = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if fence >= tonumber(ARGV[2]) then return {'FENCED', fence} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3] .. ':' .. ARGV[4])
return {'OK', redis.call('HGETALL', KEYS[1])}
