package badtokens

import (
	"bytes"
	"fmt"
	"sync/atomic"
)

var (
	isAuthenticated = []byte(`"authenticated":true`)
	isError         = []byte(`"error":`)
)

func checkGood(answer []byte) error {
	if !bytes.Contains(answer, isAuthenticated) {
		return fmt.Errorf("a good user was not let in: %.300s", answer)
	}
	return nil
}

// checkBad ends the run when a bad token is accepted.
func checkBad(answer []byte, undecided *atomic.Int64) error {
	if bytes.Contains(answer, isAuthenticated) {
		return fmt.Errorf("a bad token was accepted: %.300s", answer)
	}
	if bytes.Contains(answer, isError) {
		undecided.Add(1)
	}
	return nil
}
