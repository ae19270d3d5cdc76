package servers

import (
	"testing"
	"time"
)

func TestParseCPU(t *testing.T) {
	stat := "42 (a (b) c) S 1 42 42 0 -1 4194304 1700 0 0 0 250 50 0 0 20 0 8 0 100 1 2\n"
	if got, err := parseCPU(stat); err != nil || got != 3*time.Second {
		t.Errorf("%v, %v; want 250 and 50 ticks, 3s", got, err)
	}
	for name, bad := range map[string]string{"short": "42 (x) S 1", "no number": "42 (x) S 1 2 3 4 5 6 7 8 9 10 x 12", "empty": ""} {
		if got, err := parseCPU(bad); err == nil {
			t.Errorf("%s: %v and no error", name, got)
		}
	}
}

func TestParseResident(t *testing.T) {
	if got, err := parseResident("Name:\tx\nVmRSS:\t    1024 kB\nThreads:\t8\n"); err != nil || got != 1<<20 {
		t.Errorf("%d, %v; want 1 MiB", got, err)
	}
	for name, bad := range map[string]string{"none": "Name:\tx\n", "no number": "VmRSS:\tx kB\n"} {
		if got, err := parseResident(bad); err == nil {
			t.Errorf("%s: %d and no error", name, got)
		}
	}
}
