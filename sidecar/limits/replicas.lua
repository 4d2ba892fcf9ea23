-- Counts the replicas that are alive.
--
-- KEYS[1]  sorted set of replicas: member = replica, score = when it was last heard of (seconds of Redis's clock)
-- ARGV[1]  this replica, ARGV[2] seconds after which one that is silent counts as lost
-- Result: how many are alive, this one included.
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('EXPIRE', KEYS[1], 3600)
return redis.call('ZCARD', KEYS[1])
