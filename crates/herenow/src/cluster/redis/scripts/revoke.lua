#!lua flags=allow-oom
-- REVOKE: notes whose tokens are withdrawn, and tells what was noted after a number. Entries are numbered in the order in which
-- they come; the one of number 0 is a name that is drawn anew where all of them are lost.
-- KEYS: revoked. ARGV: seen entries_max told_max kept_s name (entry)*
local revoked = KEYS[1]
local top = redis.call('ZRANGE', revoked, 0, 0, 'REV', 'WITHSCORES')
if not top[1] then
  redis.call('ZADD', revoked, 0, ARGV[5])
  redis.call('EXPIRE', revoked, ARGV[4])
end
local last = tonumber(top[2] or '0')
local before = last
for i = 6, #ARGV do
  if not redis.call('ZSCORE', revoked, ARGV[i]) then
    last = last + 1
    redis.call('ZADD', revoked, last, ARGV[i])
  end
end
if last > before then
  redis.call('ZREMRANGEBYRANK', revoked, 1, -1 - tonumber(ARGV[2]))
  redis.call('EXPIRE', revoked, ARGV[4])
end
local name = redis.call('ZRANGE', revoked, 0, 0)[1]
local told = redis.call('ZRANGE', revoked, '(' .. ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[3], 'WITHSCORES')
return {'OK', name, last, told}
