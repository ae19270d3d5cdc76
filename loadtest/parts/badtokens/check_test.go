package badtokens

import (
	"io"
	"sync/atomic"
	"testing"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/load"
)

// answering is a client that is always answered the same.
type answering string

func (a answering) Do(_ []byte, answer io.Writer) error {
	_, err := io.WriteString(answer, string(a))
	return err
}

func (answering) Close() error { return nil }

func TestCheckedAnswers(t *testing.T) {
	const (
		letIn   = `{"status":{"authenticated":true,"user":{"username":"alice"}}}`
		refused = `{"status":{"user":{}}}`
		fault   = `{"status":{"user":{},"error":"an identity source could not be reached"}}`
	)
	for name, c := range map[string]struct {
		answer   string
		good     bool // the token
		accepted bool // the answer
		faults   int64
	}{
		"good, let in":      {letIn, true, true, 0},
		"good, refused":     {refused, true, false, 0},
		"good, cannot tell": {fault, true, false, 0},
		"bad, let in":       {letIn, false, false, 0},
		"bad, refused":      {refused, false, true, 0},
		"bad, cannot tell":  {fault, false, true, 1},
	} {
		var faults atomic.Int64
		check := checkGood
		if !c.good {
			check = func(answer []byte) error { return checkBad(answer, &faults) }
		}
		var client load.Client = &bench.Checked{Client: answering(c.answer), Check: check}
		for range 2 { // the second is not mistaken for the first
			if err := client.Do(nil, io.Discard); (err == nil) != c.accepted {
				t.Errorf("%s: %v", name, err)
			}
		}
		if faults.Load() != 2*c.faults {
			t.Errorf("%s: %d faults in 2 answers", name, faults.Load())
		}
	}
}
