package rediscache

import (
	"sync"

	"github.com/redis/rueidis"
)

// keys holds the names of the keys on the server. The braces (a hash tag) put all of them
// in one slot of a cluster.
type keys struct {
	tracked string // the common prefix

	token   string // the sealed token, until it expires
	failed  string // the sealed failure, while it lasts
	refused string // the tags of rejected tokens, until those expire
	lease   string // the owner of the lease on getting a token
	news    string // set when the holder of the lease gives up
	pool    string // with SingleUse: sealed tokens, sorted by expiry
	used    string // with SingleUse: identifiers of the tokens handed out
	run     string // with SingleUse: identifies the run of the server in which the pool was filled
	fill    string // the owner of the lease on filling the pool
}

func newKeys(prefix, name string) keys {
	base := prefix + "{" + name + "}:"
	return keys{
		tracked: base,
		token:   base + "token", failed: base + "failed", refused: base + "refused", lease: base + "lease",
		news: base + "news", pool: base + "pool", used: base + "used", run: base + "run", fill: base + "fill",
	}
}

func (k keys) all() []string {
	return []string{k.token, k.failed, k.refused, k.lease, k.news, k.pool, k.used, k.run, k.fill}
}

// preamble names the keys that every script gets, in the order of keys.all. Times are in
// milliseconds by the server's clock.
const preamble = `
local token, failed, refused, lease, news, pool, used, run, fill = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local longest = 25 * 3600 * 1000 -- for keys that outlive the tokens they are about
`

// A lua returns a script, which it creates on the first call: most processes that link
// this package run none.
type lua func() *rueidis.Lua

func script(body string) lua {
	return sync.OnceValue(func() *rueidis.Lua { return rueidis.NewLuaScript(preamble + body) })
}

var (
	// lookScript returns the whole state (ARGV: owner, term, token, failure, longest term).
	// If term is not 0, it also claims the lease, provided that the lease is free and that
	// the token and the failure are still those that the caller saw. No member takes a
	// lease without an expiry or beyond the longest term, so such a lease counts as free.
	lookScript = script(`
local value, failure, claimed = redis.call('GET', token) or '', redis.call('GET', failed) or '', 0
if ARGV[2] ~= '0' and value == ARGV[3] and failure == ARGV[4] then
	local left = redis.call('PTTL', lease)
	if left == -1 or left > tonumber(ARGV[5]) then redis.call('DEL', lease) end
	if redis.call('SET', lease, ARGV[1], 'NX', 'PX', ARGV[2]) then claimed = 1 end
end
return {now, value, redis.call('PTTL', token), failure, redis.call('PTTL', failed), redis.call('ZRANGEBYSCORE', refused, now, '+inf'), redis.call('PTTL', lease), claimed}`)

	// beatScript renews a lease (KEYS[10]; ARGV: owner, term).
	beatScript = script(`
if redis.call('GET', KEYS[10]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[10], ARGV[2])`)

	// settleScript releases the lease and stores a token, a failure or nothing (ARGV:
	// owner, kind, value, time to live, token). A former holder may store a token only if
	// the server still has the token that it saw.
	settleScript = script(`
local mine = redis.call('GET', lease) == ARGV[1]
if mine then redis.call('DEL', lease) end
if ARGV[2] == 'token' and (mine or (redis.call('GET', token) or '') == ARGV[5]) then
	redis.call('SET', token, ARGV[3], 'PX', ARGV[4])
	redis.call('DEL', failed)
elseif ARGV[2] == 'failed' and mine then
	redis.call('SET', failed, ARGV[3], 'PX', ARGV[4])
elseif mine then
	redis.call('SET', news, 1, 'PX', 1000)
end
return mine and 1 or 0`)

	// rejectScript deletes the token and stores its tag (ARGV: sealed token, tag, time to
	// live). It keeps at most 16 tags. A server that is out of memory cannot store the tag,
	// but still deletes the token.
	rejectScript = script(`
if redis.call('GET', token) ~= ARGV[1] then return 0 end
local deleted = redis.call('DEL', token)
redis.call('ZREMRANGEBYSCORE', refused, '-inf', now)
redis.pcall('ZADD', refused, now + ARGV[3], ARGV[2])
redis.call('ZREMRANGEBYRANK', refused, 0, -17)
redis.call('PEXPIRE', refused, longest)
return deleted`)

	// takeScript removes from the pool the token that expires first, among those that are
	// valid for longer than ARGV[1], and returns it. It never returns a token twice, even if
	// somebody puts it back.
	takeScript = script(thisRun + `
redis.call('ZREMRANGEBYSCORE', pool, '-inf', now + ARGV[1])
redis.call('ZREMRANGEBYSCORE', used, '-inf', now)
while true do
	local first = redis.call('ZPOPMIN', pool)
	if #first == 0 then return {now, '', 0} end
	if redis.call('ZADD', used, 'NX', first[2], string.sub(first[1], 1, 32)) == 1 then
		redis.call('PEXPIRE', used, longest)
		return {now, first[1], first[2] - now}
	end
end`)

	// releaseScript releases a lease (KEYS[10]; ARGV: owner).
	releaseScript = script(`
if redis.call('GET', KEYS[10]) == ARGV[1] then return redis.call('DEL', KEYS[10]) end
return 0`)

	// putScript adds a token to the pool, unless the pool is full, and returns the number of
	// tokens in the pool (ARGV: value, time to live, limit).
	putScript = script(thisRun + `
redis.call('ZREMRANGEBYSCORE', pool, '-inf', now)
if redis.call('ZCARD', pool) < tonumber(ARGV[3]) then
	redis.call('ZADD', pool, now + ARGV[2], ARGV[1])
	redis.call('PEXPIRE', pool, longest)
end
return redis.call('ZCARD', pool)`)
)

// thisRun empties the pool if its tokens date from an earlier run of the server or from
// before a failover. A server that restarts from a file, or a replica that becomes the
// master, may still have tokens that were already handed out. Both identifiers are random:
// each run has its own run_id, and a replica that becomes the master gets a new
// master_replid. So does a master with its first replica: that costs a pool of tokens.
const thisRun = `
local function identifier(section, name)
	return string.match(redis.call('INFO', section), name .. ':(%w+)') or error('INFO contains no ' .. name)
end
local this = identifier('server', 'run_id') .. ' ' .. identifier('replication', 'master_replid')
if redis.call('GET', run) ~= this then
	redis.call('DEL', pool)
	redis.call('SET', run, this)
end
redis.call('PEXPIRE', run, longest)
`
