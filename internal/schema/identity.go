package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Identity identifies what may share a token: it covers the values of all keys marked with Identity, with variables
// expanded and defaults filled in. It is a hash because its inputs include secrets and it is used in shared-data keys.
func (s Section) Identity() [16]byte {
	h := NewHasher()
	s.addIdentity(h)
	return h.Sum()
}

func (s Section) addIdentity(h Hasher) {
	for _, k := range s.spec.Keys {
		if k.Identity {
			h.Add(k.Name)
			s.addValue(h, k)
		}
	}
}

func (s Section) addValue(h Hasher, k *Key) {
	switch k.Kind {
	case Text:
		// An empty string may differ from an absent one, where the default depends on other keys.
		text := s.String(k)
		if k.References {
			text = s.Template(k, nil).Identity()
		}
		h.Add(text, strconv.FormatBool(k.Default == nil && s.Has(k)))
	case Integer:
		value, ok := s.Value(k)
		if !ok {
			h.Add(fmt.Sprint(k.Default))
			return
		}
		h.Add(value.String())
	case Boolean:
		h.Add(strconv.FormatBool(s.Bool(k)))
	case TextList, TextOrList:
		var list []string
		for _, text := range s.Templates(k) {
			list = append(list, text.Identity())
		}
		h.Add(list...)
	case TextMap:
		for _, member := range s.Members(k) {
			h.Add(member.Name, member.Template.Identity())
		}
	case Object:
		s.Object(k).addIdentity(h)
	case JSONObject:
		h.Add(s.JSON(k).Identity())
	default:
		value, _ := s.Value(k)
		h.Add(s.Expand(k.Name, value.Raw))
	}
}

// Hasher hashes fields with their lengths, so that no field can pass for two. It hashes them all at once: a part of a
// configuration has a hundred fields, and hashing each would cost more than its few bytes are worth.
type Hasher struct{ fields *[]byte }

// NewHasher returns an empty Hasher.
func NewHasher() Hasher { return Hasher{new([]byte)} }

// Add adds a group of fields.
func (h Hasher) Add(fields ...string) {
	h.length(len(fields))
	for _, field := range fields {
		h.length(len(field))
		*h.fields = append(*h.fields, field...)
	}
}

func (h Hasher) length(n int) { *h.fields = binary.AppendUvarint(*h.fields, uint64(n)) } //nolint:gosec // a length

// Sum is half of the digest, which is enough to be unique.
func (h Hasher) Sum() (id [16]byte) {
	digest := sha256.Sum256(*h.fields)
	copy(id[:], digest[:])
	return id
}
