package token

import (
	"testing"
)

// The names are public: in metrics, in response details, and in Redis, where gateways of other versions read them.
func TestReasons(t *testing.T) {
	type row struct {
		name                             string
		outcome                          string
		unavailable, isCounted, isShared bool
	}
	want := map[Reason]row{
		NoAnswer:       {"no_answer", "token_fetch.call_failed", true, true, true},
		ServerError:    {"server_error", "token_fetch.call_failed", true, true, true},
		RateLimited:    {"rate_limited", "token_fetch.call_failed", true, true, true},
		OtherStatus:    {"other_status", "token_fetch.call_failed", false, true, true},
		BadAnswer:      {"bad_answer", "token_fetch.call_failed", false, true, true},
		NoToken:        {"no_token", "token_fetch.no_token", false, true, true},
		NoCluster:      {"no_cluster", "token_fetch.no_cluster", true, true, false},
		NotSent:        {"not_sent", "token_fetch.call_failed", true, true, false},
		SubjectRefused: {"subject_refused", "token_fetch.subject_refused", false, false, true},
		Missing:        {"missing_reference", "token_fetch.missing_reference", false, false, true},
		TooMany:        {"too_many", "token_fetch.too_many_waiting", true, false, false},
		Internal:       {"internal_error", "token_fetch.internal_error", false, false, false},
	}
	if len(want) != NumReasons-1 {
		t.Errorf("%d reasons, expected %d", NumReasons-1, len(want))
	}
	for r, want := range want {
		if got := (row{r.String(), r.Outcome().Detail(), r.IsUnavailable(), r.IsCounted(), r.IsShared()}); got != want {
			t.Errorf("got %+v, expected %+v", got, want)
		}
		if got, ok := SharedReason(r.String()); ok != want.isShared || ok && got != r {
			t.Errorf("%s: read as %q, %v", r, got, ok)
		}
	}
	for _, text := range []string{"", "Rate_limited", "no_answer ", "alone"} {
		if r, ok := SharedReason(text); ok {
			t.Errorf("%q is read as %s, expected no reason", text, r)
		}
	}
}
