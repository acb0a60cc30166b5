package bench

import (
	"bytes"
	"fmt"
)

// requestHost is the :authority of every request: a domain as a gateway has it.
const requestHost = "api.example.com"

// userHeader says for whom a request is made.
const userHeader = "x-user"

// user is for whom requests are made, where it does not matter for whom.
const user = "alice@example.com"

// user is whose requests a connection sends.
func (c candidate) user(connection int) string {
	if !c.users {
		return user
	}
	return fmt.Sprintf("user%d%s", connection, user[len("alice"):])
}

// requestHeaders are those of every request, whichever candidate it goes to: it comes from a client
// that has logged in somewhere.
func requestHeaders(user string) [][2]string {
	return [][2]string{
		{"Host", requestHost},
		{"Authorization", "Bearer " + bearerToken()},
		{userHeader, user},
	}
}

// bearerToken is of the size that the access tokens of identity providers have, with a signature as long
// as RS256 makes it.
func bearerToken() string {
	const claims = `{"iss":"https://login.example.com/realms/shop","sub":"5b7f2c1e-8a44-4f0e-9d53-0c6a1f7e2b90",` +
		`"aud":["https://api.example.com","account"],"exp":4102444800,"iat":1700000000,"azp":"web-shop",` +
		`"scope":"openid profile email orders:read","sid":"0f6d7f3e-12c4-4a5b-8a5e-bb0c1d9b7a11","email":"alice@example.com"}`
	return encodeJWT(claims, bytes.Repeat([]byte{0x5a, 0xc3, 0x17, 0xe8}, 64))
}
