package rediscache

import (
	"sync"

	"github.com/redis/rueidis"
)

// keys are the names on the server. The braces put all of them into one slot of a
// cluster.
type keys struct {
	tracked string // the beginning of all

	token   string // the sealed token, until it expires
	failed  string // the sealed failure, as long as it lasts
	refused string // the tag of the token that was refused last
	lease   string // who is getting a token
	news    string // set when a holder of the lease has given up
	pool    string // with SingleUse: sealed tokens by the time when they expire
	used    string // with SingleUse: identifiers of those that were handed out
	fill    string // the lease on filling the pool
}

func newKeys(prefix, name string) keys {
	base := prefix + "{" + name + "}:"
	return keys{
		tracked: base,
		token:   base + "token", failed: base + "failed", refused: base + "refused", lease: base + "lease",
		news: base + "news", pool: base + "pool", used: base + "used", fill: base + "fill",
	}
}

func (k keys) all() []string {
	return []string{k.token, k.failed, k.refused, k.lease, k.news, k.pool, k.used, k.fill}
}

// All scripts have these keys, in the order of keys.all. Times are in milliseconds, by
// the server's clock.
const preamble = `
local token, failed, refused, lease, news, pool, used, fill = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

// A lua script is made when it is first run: most processes that have this package linked in
// run none.
type lua func() *rueidis.Lua

func script(body string) lua {
	return sync.OnceValue(func() *rueidis.Lua { return rueidis.NewLuaScript(preamble + body) })
}

var (
	// lookScript returns all there is. With a term it claims the lease (ARGV: owner,
	// term) if that is free and nothing has changed since the caller looked (the token
	// and the failure that it saw).
	lookScript = script(`
local value, failure, claimed = redis.call('GET', token) or '', redis.call('GET', failed) or '', 0
if ARGV[2] ~= '0' and value == ARGV[3] and failure == ARGV[4] and redis.call('SET', lease, ARGV[1], 'NX', 'PX', ARGV[2]) then
	claimed = 1
end
return {now, value, redis.call('PTTL', token), failure, redis.call('PTTL', failed), redis.call('GET', refused) or '', redis.call('PTTL', lease), claimed}`)

	// beatScript renews a lease (KEYS[9]; ARGV: owner, term).
	beatScript = script(`
if redis.call('GET', KEYS[9]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[9], ARGV[2])`)

	// settleScript gives the lease back (ARGV: owner) with a token, a failure or nothing
	// (kind, value, time to live). Who has lost the lease may only replace the token that
	// it saw.
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

	// refuseScript deletes the token (ARGV: its value) and leaves its tag. A server that
	// is full still deletes.
	refuseScript = script(`
if redis.call('GET', token) ~= ARGV[1] then return 0 end
redis.pcall('SET', refused, ARGV[2], 'PX', ARGV[3])
return redis.call('DEL', token)`)

	// takeScript hands out the token of the pool that expires first, if it has more than
	// ARGV[1] to live. What was handed out before is not handed out again, even if it is
	// put back.
	takeScript = script(takeBody)

	// releaseScript gives a lease back (KEYS[9]; ARGV: owner).
	releaseScript = script(`
if redis.call('GET', KEYS[9]) == ARGV[1] then return redis.call('DEL', KEYS[9]) end
return 0`)

	// putScript adds to the pool (ARGV: value, time to live, limit) and returns how many
	// there are.
	putScript = script(`
redis.call('ZREMRANGEBYSCORE', pool, '-inf', now)
if redis.call('ZCARD', pool) < tonumber(ARGV[3]) then
	redis.call('ZADD', pool, now + ARGV[2], ARGV[1])
	redis.call('PEXPIRE', pool, 90000000)
end
return redis.call('ZCARD', pool)`)
)

const takeBody = `
redis.call('ZREMRANGEBYSCORE', pool, '-inf', now + ARGV[1])
redis.call('ZREMRANGEBYSCORE', used, '-inf', now)
while true do
	local first = redis.call('ZPOPMIN', pool)
	if #first == 0 then return {now, '', 0, 0} end
	if redis.call('ZADD', used, 'NX', first[2], string.sub(first[1], 1, 32)) == 1 then
		redis.call('PEXPIRE', used, 90000000)
		return {now, first[1], first[2] - now, redis.call('ZCARD', pool)}
	end
end`

// takeSource is takeScript for a connection of its own.
const takeSource = preamble + takeBody
