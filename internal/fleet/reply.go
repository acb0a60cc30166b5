package fleet

import (
	"strconv"
	"strings"
	"time"
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
	replyFailed = "failed" // how long nobody may call; the word for why, then as with a lease
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

// wordAlone says that the service's tokens can't be kept, so that each gateway calls for itself.
const wordAlone = "alone"
