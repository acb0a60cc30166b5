package config

import (
	"strings"

	"token-fetch/internal/schema"
	"token-fetch/internal/tokenservice"
)

// Rejection is an entry of invalidateWhen: an answer of the upstream that says that the token is no longer good. All
// that it names must hold.
type Rejection struct {
	Status     []int    // empty: any
	GRPCStatus []int    // empty: any, or none
	Header     string   // in lower case; empty: none is looked at
	Property   string   // path of dynamic metadata, with a zero byte between its parts; empty: none is looked at
	Equals     []string // what the header or the metadata may be
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

// metadataProperty is the path of FILTER/KEY as the host knows it; KEY may go on into what is nested.
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
