#!lua flags=allow-oom
-- APPLY: a node changes its own section of one room by one frozen batch.
-- KEYS: meta, section, index of the node
-- ARGV: channel room node inc seq tag ttl_s puts (session entry)*puts (session reason)*
local meta, section, index = KEYS[1], KEYS[2], KEYS[3]
local inc, seq = tonumber(ARGV[4]), tonumber(ARGV[5])
local field = 'n:' .. ARGV[3]
local cur = redis.call('HMGET', meta, field, 't')
local state, cinc, cseq = string.match(cur[1] or '', '^([lx])(%d+):(%d+)$')
cinc, cseq = tonumber(cinc), tonumber(cseq)
if state == 'x' then
  if inc <= cinc then return {'FENCED', cinc} end
  return {'RESYNC'}
elseif state == 'l' then
  -- A section can be evicted from under its stamp.
  if redis.call('HGET', section, '') ~= cinc .. ':' .. cseq then return {'RESYNC'} end
  if cinc == inc and cseq == seq then return {'DUP'} end
  if cinc ~= inc or cseq + 1 ~= seq then return {'RESYNC'} end
else
  if inc ~= 1 or seq ~= 1 then return {'RESYNC'} end
  redis.call('UNLINK', section)
end
local puts = 8 + 2 * tonumber(ARGV[8])
redis.call('HSET', section, '', inc .. ':' .. seq, unpack(ARGV, 9, puts))
for i = puts + 1, #ARGV, 2 do redis.call('HDEL', section, ARGV[i]) end
redis.call('HSET', meta, 't', ARGV[6], field, 'l' .. inc .. ':' .. seq)
if not state then
  redis.call('SADD', index, ARGV[2])
  redis.call('EXPIRE', meta, ARGV[7])
  redis.call('EXPIRE', section, ARGV[7])
  redis.call('EXPIRE', index, ARGV[7])
end
local news = {'D', cur[2] or '', ARGV[6], ARGV[3], ARGV[4], ARGV[5]}
for i = 8, #ARGV do news[i - 1] = ARGV[i] end
redis.call('SPUBLISH', ARGV[1], cmsgpack.pack(news))
return {'OK'}
