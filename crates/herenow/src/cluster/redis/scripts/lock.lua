#!lua flags=allow-oom
-- LOCK: gives a lock to a session, unless another one has it whose section names that session. The number that goes with it
-- only grows, also over a loss of this key, as long as who asks knows the last one.
-- KEYS: locks, section of the node seen as holder's. ARGV: name node session floor ttl_s node_seen
local field, me = 'h:' .. ARGV[1], ARGV[2] .. ':' .. ARGV[3]
local fence, node, session = string.match(redis.call('HGET', KEYS[1], field) or '', '^(%d+) (%x+):(%x+)$')
if fence and node .. ':' .. session == me then return {'GIVEN', fence} end
if fence then
  if node ~= ARGV[6] then return {'WHOSE', node} end
  if redis.call('HEXISTS', KEYS[2], session) == 1 then return {'HELD', fence} end
end
local last = math.max(tonumber(redis.call('HGET', KEYS[1], 'f') or '0'), tonumber(ARGV[4])) + 1
last = string.format('%.0f', last)
redis.call('HSET', KEYS[1], 'f', last, field, last .. ' ' .. me)
redis.call('EXPIRE', KEYS[1], ARGV[5])
return {'GIVEN', last}
