package wasm

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// bucketTable is a part of memory as Go's linker writes findfunctab.
func bucketTable(functions int) []byte {
	var table []byte
	for function := range functions {
		for range bucketsEach {
			table = append(binary.LittleEndian.AppendUint32(table, uint32(function)), make([]byte, bucketSize-4)...)
		}
	}
	return table
}

// moduleWith has a function, an export and the segments.
func moduleWith(segments []segment, more ...byte) []byte {
	module := slices.Clone(header)
	module = append(module, encodeSection(typeSection, []byte{1, typeFunction, 1, typeI32, 0})...)
	module = append(module, encodeSection(functionSection, []byte{1, 0})...)
	module = append(module, encodeSection(exportSection, []byte{1, 1, 'a', 0, 0})...)
	module = append(module, more...)
	module = append(module, encodeSection(codeSection, []byte{1, 2, 0, opEnd})...)
	return append(module, encodeSection(dataSection, encodeSegments(segments))...)
}

func TestFillBuckets(t *testing.T) {
	const at = 4096
	table := append(bucketTable(200), "the rest"...)
	segments := []segment{{64, []byte("before")}, {at - 2, append([]byte("xy"), table...)}, {1 << 20, []byte("after")}, {8, []byte("first, but last in the file")}}
	data := moduleWith(segments)
	out, saved, err := FillBuckets(data)
	if err != nil {
		t.Fatal(err)
	}
	if saved != len(data)-len(out) || saved < 200*bucketsEach*bucketSize/2 {
		t.Errorf("got %d bytes saved of %d, expected most of the table", saved, len(data))
	}
	m, err := Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	var ids []byte
	for _, s := range m.Sections {
		ids = append(ids, s.ID)
		switch s.ID {
		case startSection:
			if want := []byte{1}; !bytes.Equal(s.body, want) {
				t.Errorf("start: got % x, expected the new function, % x", s.body, want)
			}
		case functionSection:
			if want := []byte{2, 0, 1}; !bytes.Equal(s.body, want) {
				t.Errorf("functions: got % x, expected % x", s.body, want)
			}
		case dataSection:
			got, err := readSegments(s.body)
			want := []segment{segments[0], {at - 2, []byte("xy")}, {at + 200*bucketsEach*bucketSize, []byte("the rest")}, segments[2], segments[3]}
			if err != nil || !slices.EqualFunc(got, want, func(a, b segment) bool { return a.at == b.at && bytes.Equal(a.bytes, b.bytes) }) {
				t.Errorf("data: got %q and the error %v, expected %q", got, err, want)
			}
		}
	}
	if want := []byte{typeSection, functionSection, exportSection, startSection, codeSection, dataSection}; !bytes.Equal(ids, want) {
		t.Errorf("sections: got %v, expected %v", ids, want)
	}
}

func TestFillBucketsErrors(t *testing.T) {
	good := []segment{{0, bucketTable(200)}}
	irregular := bucketTable(200)
	irregular[150*bucketsEach*bucketSize+5] = 1 // the rest is not worth it
	tests := map[string]struct {
		data []byte
		want string
	}{
		"not a module":      {[]byte("no"), ErrNotWasm.Error()},
		"a start function":  {moduleWith(good, encodeSection(startSection, []byte{0})...), "there is a start function already"},
		"no data":           {header, "no data"},
		"no table":          {moduleWith([]segment{{0, make([]byte, 100_000)}}), "no findfunctab"},
		"too small a table": {moduleWith([]segment{{0, bucketTable(60)}}), "no findfunctab"},
		"overlapping":       {moduleWith([]segment{{0, bucketTable(200)}, {5, []byte("x")}}), "no findfunctab"},
		"far apart":         {moduleWith([]segment{{0, bucketTable(200)}, {1 << 31, []byte("x")}}), "no findfunctab"},
		"passive segment":   {append(append(slices.Clone(header), encodeSection(typeSection, []byte{0})...), encodeSection(dataSection, []byte{1, 1, 1, 'a'})...), "not at a fixed address"},
		"cut short":         {append(slices.Clone(header), encodeSection(dataSection, []byte{1, 0, opI32Const, 0, opEnd, 9})...), "data:"},
	}
	for name, tt := range tests {
		_, _, err := FillBuckets(tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got the error %v, expected %q", name, err, tt.want)
		}
	}
	if found, ok := findBuckets([]segment{{0, irregular}}); !ok || found.count != 150*bucketsEach {
		t.Errorf("an irregular bucket: got %d regular ones before it, expected %d", found.count, 150*bucketsEach)
	}
}

func TestInt32(t *testing.T) {
	for _, value := range []int32{0, 1, -1, 63, 64, -64, -65, 1 << 20, -(1 << 20), 1<<31 - 1, -1 << 31} {
		r := &reader{data: appendInt32(nil, value)}
		if got := r.int32(); got != value || r.err != nil || r.pos != len(r.data) {
			t.Errorf("got %d and the error %v, expected %d", got, r.err, value)
		}
	}
	for _, data := range [][]byte{{0x80}, {0x80, 0x80, 0x80, 0x80, 0x80, 0}, {0xff, 0xff, 0xff, 0xff, 0x0f}} {
		r := &reader{data: data}
		if got := r.int32(); r.err == nil {
			t.Errorf("% x: got %d, expected an error", data, got)
		}
	}
}

func FuzzFillBuckets(f *testing.F) {
	f.Add(moduleWith([]segment{{0, bucketTable(70)}}))
	f.Add(moduleWith(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, _, err := FillBuckets(data)
		if err != nil {
			return
		}
		if _, err := Parse(out); err != nil {
			t.Errorf("what was made is no module: %v", err)
		}
	})
}
