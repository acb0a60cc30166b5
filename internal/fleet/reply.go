package fleet

import (
	"strconv"
	"strings"
	"time"

	"token-fetch/internal/cache"
)

// reply is what scriptLook has returned: a word, a time in milliseconds, and a text.
type reply struct {
	word string
	time time.Duration
	text string
}

const (
	replyToken  = "token"  // the time that its record has left; the record
	replyLease  = "lease"  // Redis' time; the time that the token has left, and its record, if there is one
	replyFailed = "failed" // how long nobody may call; the word for why
	replyBusy   = "busy"   // Redis' time
)

// parseReply reports false for what is none.
func parseReply(text string) (reply, bool) {
	word, rest, _ := strings.Cut(text, " ")
	at, rest, found := parseTime(rest)
	isKnown := word == replyToken || word == replyLease || word == replyFailed || word == replyBusy
	if !isKnown || !found {
		return reply{}, false
	}
	return reply{word, at, rest}, true
}

// parseTime takes the milliseconds with which a text begins.
func parseTime(text string) (at time.Duration, rest string, ok bool) {
	number, rest, found := strings.Cut(text, " ")
	ms, err := strconv.ParseInt(number, 10, 64)
	const most = 1 << 43 // milliseconds since 1970, for some more centuries; far from an overflow as a Duration
	if !found || err != nil || ms < 0 || ms > most {
		return 0, "", false
	}
	return time.Duration(ms) * time.Millisecond, rest, true
}

// millis is how a time is written for a script; nothing that lives is written as 0.
func millis(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10)
}

// formatFailure puts a failed call into a word for the other gateways, and parseFailure makes one of it there, without Err.
func formatFailure(f *cache.Failure) string {
	return map[bool]string{false: wordRefused, true: wordUnavailable}[f.Unavailable] + strconv.Itoa(int(f.Code))
}

func parseFailure(text string) (f cache.Failure, ok bool) {
	digits, isUnavailable := strings.CutPrefix(text, wordUnavailable)
	digits, isRefused := strings.CutPrefix(digits, wordRefused)
	code, err := strconv.ParseUint(digits, 10, 8)
	if err != nil || code == 0 || isUnavailable == isRefused {
		return f, false
	}
	return cache.Failure{Unavailable: isUnavailable, Code: uint8(code)}, true
}

const (
	wordUnavailable = "unavailable-"
	wordRefused     = "refused-"
)

// wordAlone says that the service's tokens can't be kept, so that each gateway calls for itself.
const wordAlone = "alone"
