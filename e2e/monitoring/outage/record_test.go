package outage

import (
	"os"
	"testing"
)

// TestRecordOutage writes the recording that the other tests use, when it is asked to: it takes as long as the script.
func TestRecordOutage(t *testing.T) {
	if os.Getenv("OUTAGE") != "record" {
		t.Skip("it takes 19 minutes: make record-outage")
	}
	if err := Record(t).Write("../testdata/outage.txt"); err != nil {
		t.Fatal(err)
	}
}
