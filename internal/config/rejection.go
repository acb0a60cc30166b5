package config

import (
	"strings"

	"token-fetch/internal/schema"
	"token-fetch/internal/tokenservice"
)

// Rejection is an entry of invalidateWhen: an upstream response that means the token is no longer valid. All fields
// that are set must match.
type Rejection struct {
	Status     []int    // empty: any
	GRPCStatus []int    // empty: any, or none
	Header     string   // in lower case; empty: not checked
	Property   string   // path of dynamic metadata, separated by zero bytes; empty: not checked
	Equals     []string // allowed values of the header or the metadata
}

func readRejections(s schema.Section) []Rejection {
	var list []Rejection
	for _, entry := range s.Objects(keyInvalidateWhen) {
		list = append(list, readRejection(entry))
	}
	return list
}

func readRejection(s schema.Section) Rejection {
	r := Rejection{
		Status: s.Ints(keyWhenStatus), GRPCStatus: s.Ints(keyWhenGRPCStatus),
		Header: strings.ToLower(s.String(keyWhenHeader)), Property: metadataProperty(s),
	}
	looksAt := r.Header != "" || s.Has(keyWhenMetadata)
	switch {
	case s.Has(keyWhenHeader) && !tokenservice.IsHeaderName(r.Header):
		s.InvalidKey(keyWhenHeader, "the name of a response header")
	case s.Has(keyWhenHeader) && s.Has(keyWhenMetadata):
		s.InvalidSection("one of header and metadata")
	case s.Has(keyWhenEquals) && !looksAt:
		s.InvalidKey(keyWhenEquals, "it with header or metadata")
	case len(r.Status)+len(r.GRPCStatus) == 0 && !looksAt:
		s.InvalidSection(keyInvalidateWhen.Want)
	}
	if looksAt {
		r.Equals = s.Scalars(keyWhenEquals)
	}
	return r
}

// metadataProperty returns the property path of FILTER/KEY; KEY may continue into nested metadata.
func metadataProperty(s schema.Section) string {
	if !s.Has(keyWhenMetadata) {
		return ""
	}
	filter, key, _ := strings.Cut(s.String(keyWhenMetadata), "/")
	if filter == "" || key == "" || strings.ContainsRune(filter+key, 0) {
		s.InvalidKey(keyWhenMetadata, "FILTER/KEY, the name of the filter or namespace and the key in its dynamic metadata")
	}
	return strings.Join(append([]string{"metadata", "filter_metadata", filter}, strings.Split(key, "/")...), "\x00")
}

// readMethods reads bypassMethods.
func readMethods(s schema.Section) []string {
	methods := s.Strings(keyBypassMethods)
	for _, method := range methods {
		if !tokenservice.IsHeaderName(method) || method != strings.ToUpper(method) {
			s.InvalidKey(keyBypassMethods, "methods in capital letters, for example [OPTIONS]")
		}
	}
	return methods
}
