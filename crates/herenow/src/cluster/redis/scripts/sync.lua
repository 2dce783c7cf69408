#!lua flags=allow-oom
-- SYNC: a node replaces its whole section of one room. A large one comes in parts, which wait in a key of their own until the
-- last one puts it in place: nobody sees half a section.
-- KEYS: meta, section, index of the node, stage
-- ARGV: channel room node inc seq tag ttl_s part parts entries (session entry)*entries (session reason)*
local meta, section, index, stage = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local inc, seq = tonumber(ARGV[4]), tonumber(ARGV[5])
local part, parts = tonumber(ARGV[8]), tonumber(ARGV[9])
local field, stamp = 'n:' .. ARGV[3], ARGV[4] .. ':' .. ARGV[5]
local cur = redis.call('HMGET', meta, field, 't')
local state, cinc, cseq = string.match(cur[1] or '', '^([lx])(%d+):(%d+)$')
cinc, cseq = tonumber(cinc), tonumber(cseq)
if state == 'x' then
  if inc <= cinc then return {'FENCED', cinc} end
elseif state == 'l' then
  -- A section that was evicted from under its stamp is to be written again.
  local kept = redis.call('HGET', section, '') == cinc .. ':' .. cseq
  if cinc == inc and cseq == seq and kept then return {'DUP'} end
  if cinc > inc or (cinc == inc and cseq > seq) then return {'STALE', cinc, cseq} end
end
local target = section
if parts > 1 then
  target = stage
  local before = part > 1 and redis.call('HGET', stage, '')
  if before == stamp .. ':' .. part then return {'PART'} end
  if part > 1 and before ~= stamp .. ':' .. (part - 1) then return {'RESYNC'} end
end
if part == 1 then redis.call('UNLINK', target) end
redis.call('HSET', target, '', stamp .. ':' .. part, unpack(ARGV, 11, 10 + 2 * tonumber(ARGV[10])))
redis.call('EXPIRE', target, ARGV[7])
if part < parts then return {'PART'} end
if parts > 1 then redis.call('RENAME', stage, section) end
redis.call('HSET', section, '', stamp)
redis.call('HSET', meta, 't', ARGV[6], field, 'l' .. stamp)
redis.call('EXPIRE', meta, ARGV[7])
if redis.call('HLEN', section) > 1 then
  redis.call('SADD', index, ARGV[2])
  redis.call('EXPIRE', index, ARGV[7])
else
  redis.call('SREM', index, ARGV[2])
end
local news = {'T', cur[2] or '', ARGV[6], ARGV[3], ARGV[4], ARGV[5]}
if parts == 1 then
  news[1] = 'F'
  for i = 10, #ARGV do news[i - 3] = ARGV[i] end
end
redis.call('SPUBLISH', ARGV[1], cmsgpack.pack(news))
return {'OK'}
