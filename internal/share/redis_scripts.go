package share

// These scripts implement Store in Redis, each atomically. Their decisions are those of record.go for shared data:
// TestStores holds the two against each other.
//
// Times are in milliseconds, on Redis's clock only: the clocks of gateways may be minutes apart. Every key has a TTL,
// so nothing is left behind. KEYS, all in one cluster slot:
//
//	1  the token's record, until it expires
//	2  exists until the token is due for renewal
//	3  the lease: the owner that is calling the token service
//	4  exists during the backoff after a failure; its value is the reason
//	5  the number of consecutive failures
//	6  exists during the backoff after a rejection, while further rejections are ignored
//	7  the number of consecutive rejections

// Lua functions that the scripts share.
const (
	luaNow = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`
	// Each wait is twice the previous one, up to 30 s, and is forgotten 30 s after its end.
	luaBackOff = `
local function backOff(counter, first, least)
  local count = redis.call('INCR', counter)
  local wait = math.max(math.min(first * 2 ^ math.min(count - 1, 20), 30000), least)
  redis.call('PEXPIRE', counter, wait + 30000)
  return wait
end
`
	luaIsRejected = `
local function isRejected(token) return token and string.sub(token, 1, 1) == '` + rejectedMark + `' end
`
)

// scriptLook implements Look. ARGV: owner; lease duration; the token the caller has, if any; '1' if the upstream
// rejected it; first wait after a rejection.
// A key without a TTL is not ours, nor is a lease longer than the longest timeout allows.
const scriptLook = luaNow + luaBackOff + luaIsRejected + `
if redis.call('PTTL', KEYS[1]) == -1 then redis.call('DEL', KEYS[1]) end
local leased = redis.call('PTTL', KEYS[3])
if leased == -1 or leased > 30000 then redis.call('DEL', KEYS[3]) end
local token = redis.call('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
local has = token and string.sub(token, 1, 16) == ARGV[3]
local rejects = ARGV[4] == '1'
if has and rejects and redis.call('EXISTS', KEYS[6]) == 0 then
  redis.call('SET', KEYS[6], '1', 'PX', backOff(KEYS[7], tonumber(ARGV[5]), 0))
  token = '` + rejectedMark + `' .. token
  redis.call('SET', KEYS[1], token, 'PX', math.max(left, 1))
  redis.call('DEL', KEYS[2])
end
local isGood = token and not isRejected(token)
if isGood and (not has or rejects or redis.call('EXISTS', KEYS[2]) == 1) then return 'token ' .. left .. ' ' .. token end
local fallback = token and not isGood and left .. ' ' .. token or ''
local wait = redis.call('PTTL', KEYS[4])
if wait > 0 and not isGood then return 'failed ' .. wait .. ' ' .. redis.call('GET', KEYS[4]) .. ' ' .. fallback end
if wait <= 0 and ARGV[2] ~= '0' and redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'lease ' .. now() .. ' ' .. fallback end
if isGood then return 'token ' .. left .. ' ' .. token end
return 'busy ' .. now() .. ' ' .. fallback
`

// scriptSave implements Save. ARGV: owner; the token's expiry; when it is due for renewal; the record.
const scriptSave = luaNow + luaIsRejected + `
local holder = redis.call('GET', KEYS[3])
local token = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] or not holder and token and not isRejected(token) then return '0' end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
local time = now()
if tonumber(ARGV[2]) <= time then return '0' end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[2] - time)
if tonumber(ARGV[3]) > time then redis.call('SET', KEYS[2], '1', 'PX', ARGV[3] - time) end
return '1'
`

// scriptFail implements Fail. ARGV: owner; the reason; first wait; minimum wait; '1' if that is exact.
const scriptFail = luaBackOff + luaIsRejected + `
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return '0' end
redis.call('DEL', KEYS[3])
if ARGV[2] == 'subject_refused' and isRejected(redis.call('GET', KEYS[1])) then redis.call('DEL', KEYS[1]) end
local wait = backOff(KEYS[5], tonumber(ARGV[3]), tonumber(ARGV[4]))
if ARGV[5] == '1' then wait = tonumber(ARGV[4]) end
redis.call('SET', KEYS[4], ARGV[2], 'PX', wait)
return tostring(wait)
`

// scriptExtend implements Extend. ARGV: owner; duration.
const scriptExtend = `
if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('PEXPIRE', KEYS[3], ARGV[2]) end
return '1'
`

// scriptClear deletes a record that is unreadable. ARGV: the record.
const scriptClear = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
return '1'
`
