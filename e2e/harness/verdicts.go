package harness

import (
	"net/http"
	"strconv"
)

// Verdict is an upstream, for Respond, that answers with the status in X-Verdict; "hold" is a 401 that comes when the channel is
// closed, "abort" a connection that is.
func Verdict(release <-chan struct{}) func(*http.Request) int {
	return func(r *http.Request) int {
		switch verdict := r.Header.Get("X-Verdict"); verdict {
		case "":
			return http.StatusOK
		case "hold":
			<-release
			return http.StatusUnauthorized
		case "abort":
			panic(http.ErrAbortHandler)
		default:
			status, _ := strconv.Atoi(verdict)
			return status
		}
	}
}
