#!lua flags=allow-oom
-- POLL: for each room the tag of its last write, and what is written of the asker's own section. No read for a replica either:
-- this is how a node learns that its primary was demoted. Now and then it also puts off the end of what is kept.
-- KEYS: index of the node, (meta section)*. ARGV: node ttl_s, which is 0 where the end is not to be put off
local field, ttl, out = 'n:' .. ARGV[1], ARGV[2], {}
for i = 2, #KEYS, 2 do
  local cur = redis.call('HMGET', KEYS[i], 't', field)
  local own = cur[2] or ''
  -- A section that was evicted from under its stamp is as good as lost.
  if string.sub(own, 1, 1) == 'l' and redis.call('HGET', KEYS[i + 1], '') ~= string.sub(own, 2) then own = '' end
  if ttl ~= '0' and own ~= '' then
    redis.call('EXPIRE', KEYS[i], ttl)
    redis.call('EXPIRE', KEYS[i + 1], ttl)
  end
  out[i - 1], out[i] = cur[1] or '', own
end
if ttl ~= '0' then redis.call('EXPIRE', KEYS[1], ttl) end
return out
