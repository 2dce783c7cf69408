#!lua flags=allow-oom
-- FREE: a session has a lock no more. Its number stays known.
-- KEYS: locks. ARGV: name holder fence, which is 0 for whichever
local field = 'h:' .. ARGV[1]
local fence, holder = string.match(redis.call('HGET', KEYS[1], field) or '', '^(%d+) (.*)$')
if holder ~= ARGV[2] or (ARGV[3] ~= '0' and ARGV[3] ~= fence) then return {'NONE'} end
redis.call('HDEL', KEYS[1], field)
return {'OK'}
