package tokenservice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/token"
)

// This file reads answers without a token: why there is none, and what the log says about it.

// refusal returns the error for an unsuccessful status.
func (r *responseReader) refusal(resp *Response, now time.Time) *token.Error {
	code := oauthError(resp)
	e := &token.Error{
		Reason:         reasonOf(resp.Status),
		Status:         resp.Status,
		IsUnauthorized: resp.Status == 400 && (code == "invalid_grant" || code == "invalid_token"),
		Detail:         fmt.Sprintf("answered %d%s%s", resp.Status, r.errorCodes(resp), r.statusHint(resp.Status, code)),
	}
	if e.Reason.IsUnavailable() || resp.Status == 403 { // GitHub answers 403 to too many calls
		e.RetryAfter = retryAfter(resp, now)
	}
	if r.hasSubject && (resp.Status == 400 || resp.Status == 401) && slices.Contains(subjectErrors, code) {
		e.Reason = token.SubjectRefused
	}
	return e
}

// reasonOf maps an unsuccessful status to a reason.
func reasonOf(status int) token.Reason {
	switch {
	case status/100 == 5:
		return token.ServerError
	case status == 429:
		return token.RateLimited
	case status/100 == 2:
		return token.BadAnswer
	default:
		return token.OtherStatus
	}
}

// subjectErrors are the error codes with which an authorization server refuses the token to be exchanged: the first two
// are from RFC 8693 section 2.2.2 and RFC 7521 section 4.1, the third from practice.
var subjectErrors = []string{"invalid_request", "invalid_grant", "invalid_token"}

// noAnswer describes why there is no response, as far as the elapsed time tells.
func (r *responseReader) noAnswer(resp *Response) string {
	if resp.Took >= r.timeout*9/10 { // Envoy's timer and the clock differ slightly
		return fmt.Sprintf("got no answer within the timeout of %s", r.timeout)
	}
	return fmt.Sprintf("got no answer: reset or no connection after %s", resp.Took.Round(time.Millisecond))
}

// clientErrors are the error codes with which servers refuse the client. Some have none.
var clientErrors = []string{"", "invalid_client", "unauthorized_client", "unauthorized"}

// statusHint says what else a status can mean, or which key to check.
func (r *responseReader) statusHint(status int, code string) string {
	switch {
	case status == 503: // newer versions of Envoy synthesize a response where older ones have none
		return " (possibly from Envoy itself: no connection)"
	case status == 504:
		return fmt.Sprintf(" (possibly from Envoy itself: no answer within the timeout of %s)", r.timeout)
	case status/100 == 2:
		return " (set " + keySuccessStatus.Name + " if that is a success)"
	case status/100 == 3:
		return " (redirects are not followed)"
	case status == 415:
		return " (check Content-Type in " + keyRequestHeaders.Name + ")"
	case strings.Contains(code, "dpop"): // RFC 9449: invalid_dpop_proof, use_dpop_nonce
		return " (it demands DPoP, which is not supported: the upstream would need proofs, too)"
	case r.isEncoded && (status == 401 || status == 400 && code != "") && slices.Contains(clientErrors, code):
		return " (a server that does not decode the id and the secret in Authorization needs " + keyOAuth2.Name + "." + keyAuthStyle.Name + " " + authStyleBody + ")"
	default:
		return ""
	}
}

// oauthError returns the error code of a response (RFC 6749 section 5.2), or "". It ignores the description, which may
// quote a secret, and codes with unusual characters.
func oauthError(resp *Response) string {
	if len(resp.Body) == 0 || len(resp.Body) > MaxResponseBytes {
		return ""
	}
	code := resp.json("error")
	if code.Type != gjson.String || !isCodeWord(code.Str) {
		return ""
	}
	return code.Str
}

// isCodeWord reports whether text looks like an OAuth error code, and is not a secret.
func isCodeWord(text string) bool {
	return len(text) <= 40 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// codePaths are where services have an error code beyond that of OAuth 2.0: Entra ID, WeCom, Baidu, IBM and Okta, Apigee,
// Feishu, Google.
var codePaths = []string{"error_codes.0", "errcode", "error_code", "errorCode", "ErrorCode", "code", "error.code"}

// maxCodesBytes limits the bodies in which all these paths are looked up: each costs a pass over the body, and answers
// with such codes are short.
const maxCodesBytes = 16 << 10

// errorCodes returns the response's error codes in parentheses for the log, or "".
func (r *responseReader) errorCodes(resp *Response) string {
	code := oauthError(resp)
	switch own := r.ownCode(resp, code); {
	case code != "" && own != "":
		return " (" + code + ", " + own + ")"
	case code+own != "":
		return " (" + code + own + ")"
	default:
		return ""
	}
}

// ownCode returns an error code that says more than that of OAuth and the status, or "". What goes upstream is none.
func (r *responseReader) ownCode(resp *Response, known string) string {
	if len(resp.Body) == 0 || len(resp.Body) > maxCodesBytes {
		return ""
	}
	for _, path := range codePaths {
		code := resp.json(path)
		if text := code.String(); !r.sends(path) && isErrorCode(code, path) && text != known && text != strconv.Itoa(resp.Status) {
			return text
		}
	}
	return ""
}

// sends reports whether the value at the path goes upstream.
func (r *responseReader) sends(path string) bool {
	return path == r.tokenPath || slices.ContainsFunc(r.upstream, func(h upstreamHeader) bool { return h.path == path })
}

// isErrorCode reports whether the log may show a value: a short number, or a word of the usual forms (invalid_client,
// BXNIM0415E) under a name that says error. Anything else may be a secret.
func isErrorCode(value gjson.Result, path string) bool {
	text := value.String()
	switch {
	case value.Type == gjson.Number:
		return len(text) <= 12 && text != "0" && strings.Trim(text, digits+"-") == ""
	case value.Type == gjson.String && strings.HasPrefix(strings.ToLower(path), "err"):
		return text != "" && (isCodeWord(text) || len(text) <= 20 && strings.Trim(text, capitals+digits+"_") == "")
	default:
		return false
	}
}
