#!lua flags=allow-oom
-- REAP: ends the section of a node that was claimed, up to the incarnation that was fenced, and leaves a tombstone.
-- KEYS: meta, section, index of the dead node, stage. ARGV: channel room node inc tag ttl_s
local meta, section, index, stage = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local field, inc = 'n:' .. ARGV[3], tonumber(ARGV[4])
local cur = redis.call('HMGET', meta, field, 't')
local state, cinc, cseq = string.match(cur[1] or '', '^([lx])(%d+):(%d+)$')
if state == 'x' or (state == 'l' and tonumber(cinc) > inc) then return {'NONE'} end
redis.call('UNLINK', section, stage)
redis.call('SREM', index, ARGV[2])
if not state then return {'NONE'} end
redis.call('HSET', meta, 't', ARGV[5], field, 'x' .. ARGV[4] .. ':0')
redis.call('EXPIRE', meta, ARGV[6])
redis.call('SPUBLISH', ARGV[1], cmsgpack.pack({'R', cur[2] or '', ARGV[5], ARGV[3], ARGV[4], '0'}))
return {'OK'}
