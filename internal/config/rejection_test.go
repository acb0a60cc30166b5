package config

import (
	"reflect"
	"slices"
	"testing"
)

func TestInvalidateWhen(t *testing.T) {
	const want = "a list of objects with status, grpcStatus, header and equals, or metadata and equals"
	for written, test := range map[string]struct {
		want Rejection
		err  string
	}{
		`{"status": [400, 403]}`:                                           {Rejection{Status: []int{400, 403}}, ""},
		`{"grpcStatus": [16]}`:                                             {Rejection{GRPCStatus: []int{16}}, ""},
		`{"header": "X-Error", "equals": "expired"}`:                       {Rejection{Header: "x-error", Equals: []string{"expired"}}, ""},
		`{"status": [400], "metadata": "feishu/code", "equals": 99991663}`: {Rejection{Status: []int{400}, Property: "metadata\x00filter_metadata\x00feishu\x00code", Equals: []string{"99991663"}}, ""},
		`{"metadata": "a.b/c/d", "equals": ["x", true]}`:                   {Rejection{Property: "metadata\x00filter_metadata\x00a.b\x00c\x00d", Equals: []string{"x", "true"}}, ""},
		`{}`:              {err: `invalid cache.invalidateWhen[0] in config (want ` + want + `)`},
		`{"equals": "a"}`: {err: `invalid cache.invalidateWhen[0].equals in config: "a" (want it with header or metadata)`},
		`{"header": "a"}`: {err: `missing cache.invalidateWhen[0].equals in config`},
		`{"header": "a", "metadata": "a/b", "equals": "c"}`: {err: `invalid cache.invalidateWhen[0] in config (want one of header and metadata)`},
		`{"header": "a b", "equals": "c"}`:                  {err: `invalid cache.invalidateWhen[0].header in config: "a b" (want the name of a response header)`},
		`{"metadata": "a", "equals": "c"}`:                  {err: `invalid cache.invalidateWhen[0].metadata in config: "a" (want FILTER/KEY, the name of the filter or namespace and the key in its dynamic metadata)`},
		`{"status": [99]}`:                                  {err: `invalid cache.invalidateWhen[0].status in config: 99 (want a list of statuses, 100 to 599)`},
		`{"grpcStatus": [0]}`:                               {err: `invalid cache.invalidateWhen[0].grpcStatus in config: 0 (want a list of gRPC's statuses, 1 to 16)`},
		`"401"`:                                             {err: `invalid cache.invalidateWhen[0] in config (want ` + want + `)`},
	} {
		parsed, err := parse(extended(`"cache": {"invalidateWhen": [` + written + `]}`))
		if test.err != "" {
			if got := errorText(err); got != test.err {
				t.Errorf("%s:\ngot      %s\nexpected %s", written, got, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", written, err)
			continue
		}
		got := parsed.Global.Cache.InvalidateWhen
		if len(got) != 1 || !reflect.DeepEqual(got[0], test.want) {
			t.Errorf("%s: got %+v, expected %+v", written, got, test.want)
		}
	}
}

func TestBypassMethods(t *testing.T) {
	const want = ` (want methods in capital letters, for example [OPTIONS])`
	parsed := mustParse(t, extended(`"bypassMethods": ["OPTIONS", "M-SEARCH"], "_rules_": [{"_match_route_": ["a"]}, {"_match_route_": ["b"], "bypassMethods": null}]`))
	if got := parsed.Rules[0].Part.BypassMethods; !slices.Equal(got, []string{"OPTIONS", "M-SEARCH"}) {
		t.Errorf("a rule that says nothing: got %q", got)
	}
	if got := parsed.Rules[1].Part.BypassMethods; got != nil {
		t.Errorf("a rule that takes them away: got %q", got)
	}
	for written, want := range map[string]string{
		`["options"]`: "invalid bypassMethods in config: a list" + want,
		`[""]`:        "invalid bypassMethods in config: a list" + want,
		`["A B"]`:     "invalid bypassMethods in config: a list" + want,
		`"OPTIONS"`:   `invalid bypassMethods in config: "OPTIONS" (want a list of strings)`,
	} {
		if _, err := parse(extended(`"bypassMethods": ` + written)); errorText(err) != want {
			t.Errorf("%s:\ngot      %v\nexpected %s", written, err, want)
		}
	}
}
