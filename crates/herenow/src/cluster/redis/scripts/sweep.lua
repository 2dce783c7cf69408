#!lua flags=allow-oom
-- SWEEP: forgets what is said of a node in a room, unless it was said anew since: an old tombstone, or an empty section.
-- KEYS: meta, section, index of the node. ARGV: room node value_seen
local field = 'n:' .. ARGV[2]
if redis.call('HGET', KEYS[1], field) ~= ARGV[3] then return {'CHANGED'} end
if redis.call('HLEN', KEYS[2]) > 1 then return {'CHANGED'} end
redis.call('HDEL', KEYS[1], field)
redis.call('UNLINK', KEYS[2])
redis.call('SREM', KEYS[3], ARGV[1])
if redis.call('HLEN', KEYS[1]) == 1 and redis.call('HEXISTS', KEYS[1], 't') == 1 then redis.call('DEL', KEYS[1]) end
return {'OK'}
