package document

import (
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

// TestIndexIsSmall bounds what a document takes beside its text.
func TestIndexIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(node{}); size > 24 {
		t.Errorf("a value takes %d bytes of the index, want 24", size)
	}
	const values = 300_000
	text := []byte(`[` + strings.Repeat(`0,`, values-2) + `0]`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	parsed, err := Parse(text)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 25*values {
		t.Errorf("reading %d values took %d bytes in all, want 24 for each", values, took)
	}
	runtime.KeepAlive(parsed)
}
