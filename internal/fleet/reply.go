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
	replyLease  = "lease"  // Redis' time
	replyFailed = "failed" // how long nobody may call; the word for why
	replyBusy   = "busy"   // Redis' time
)

// parseReply reports false for what is none.
func parseReply(text string) (reply, bool) {
	word, rest, _ := strings.Cut(text, " ")
	number, rest, found := strings.Cut(rest, " ")
	ms, err := strconv.ParseInt(number, 10, 64)
	isKnown := word == replyToken || word == replyLease || word == replyFailed || word == replyBusy
	const most = 1 << 43 // milliseconds since 1970, for some more centuries; far from an overflow as a Duration
	if !isKnown || !found || err != nil || ms < 0 || ms > most {
		return reply{}, false
	}
	return reply{word, time.Duration(ms) * time.Millisecond, rest}, true
}

// millis is how a time is written for a script; nothing that lives is written as 0.
func millis(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10)
}

// wordAlone says that the service's tokens can't be kept, so that each gateway calls for itself.
const wordAlone = "alone"
