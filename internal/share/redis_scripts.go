package share

// This file is what Redis does, each in one step that nothing comes between. Times are in milliseconds. What it decides is
// what record.go decides for shared data; TestStores holds one against the other.
//
// All times are Redis' own: the clocks of gateways may differ by minutes. A time to live is a key's, so that nothing
// stays behind. KEYS, which are in one slot of a cluster:
//
//	1  the token's record, as long as it lives
//	2  there while the token need not be renewed
//	3  the lease: whose gateway is calling the token service
//	4  there while nobody may call, with the word for why
//	5  the number of calls that failed in a row
//	6  there while the upstream's rejection of a token changes nothing, as it rejected the one before too
//	7  the number of tokens that were rejected in a row

// Lua's functions that the scripts share.
const (
	luaNow = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`
	// Each wait is twice the one before, up to 30 s, and is forgotten 30 s after its end.
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

// scriptLook is Look. ARGV: owner and time of the lease; the token that the asker has, or none; '1' if the upstream has
// rejected it, and the first wait after a rejection.
// A key without an end is not ours, nor is a lease that is longer than all (that of the longest timeout).
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
local standIn = token and not isGood and left .. ' ' .. token or ''
local wait = redis.call('PTTL', KEYS[4])
if wait > 0 and not isGood then return 'failed ' .. wait .. ' ' .. redis.call('GET', KEYS[4]) .. ' ' .. standIn end
if wait <= 0 and ARGV[2] ~= '0' and redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'lease ' .. now() .. ' ' .. standIn end
if isGood then return 'token ' .. left .. ' ' .. token end
return 'busy ' .. now() .. ' ' .. standIn
`

// scriptSave is Save. ARGV: owner of the lease, the token's end, when it is due for renewal, the record.
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

// scriptFail is Fail. ARGV: owner of the lease, the word for why, the first wait, the least wait, '1' if that is exact.
const scriptFail = luaBackOff + luaIsRejected + `
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return '0' end
redis.call('DEL', KEYS[3])
if ARGV[2] == 'subject_refused' and isRejected(redis.call('GET', KEYS[1])) then redis.call('DEL', KEYS[1]) end
local wait = backOff(KEYS[5], tonumber(ARGV[3]), tonumber(ARGV[4]))
if ARGV[5] == '1' then wait = tonumber(ARGV[4]) end
redis.call('SET', KEYS[4], ARGV[2], 'PX', wait)
return tostring(wait)
`

// scriptExtend is Extend. ARGV: owner of the lease, for how long.
const scriptExtend = `
if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('PEXPIRE', KEYS[3], ARGV[2]) end
return '1'
`

// scriptClear removes a record that nobody can read. ARGV: the record.
const scriptClear = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
return '1'
`
