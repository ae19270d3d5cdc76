package jwt

import (
	"fmt"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// keyEvents say whose keys a keyring holds, and report what happens to them.
type keyEvents struct {
	// source is its configured name; issuer is that of the keys, several joined
	// by commas.
	source, issuer string
	metrics        *sources.Metrics
	now            func() time.Time
	onError        func(error)
	onChange       func(issuer string, keys int)
}

func (n *keyEvents) changed(set *keySet) { n.onChange(n.issuer, len(set.keys)) }

func (n *keyEvents) failed(err error) { n.onError(err) }

// status is one line for people.
func (n *keyEvents) status(set *keySet, err error) string {
	line := n.issuer + ": no keys yet"
	if set != nil {
		line = fmt.Sprintf("%s: %d keys, read %s ago", n.issuer, len(set.keys), n.now().Sub(set.asked).Round(time.Second))
		if len(set.unusable) > 0 {
			line += fmt.Sprintf(" (%d more cannot be used: %s)", len(set.unusable), describeUnusable(set.unusable))
		}
	}
	if err != nil {
		line += "; latest error: " + err.Error()
	}
	return line
}
