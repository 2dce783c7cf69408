#!lua flags=allow-oom
-- PAGE: a part of a section that is too large for one answer, and the stamp that it has by now. No read for a replica either.
-- KEYS: section. ARGV: cursor count
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
return {redis.call('HGET', KEYS[1], '') or '', page[1], page[2]}
