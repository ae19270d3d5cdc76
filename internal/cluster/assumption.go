package cluster

import (
	"fmt"
	"slices"
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// assumption is a pod that was sent to a node and not seen there yet. A pod has
// more than one while it is not known whether its first Binding took place and
// another one sends it elsewhere: only one of them can come true, and the room
// is taken on each node until it is known on which.
//
// Its fields are guarded as the ledger is.
type assumption struct {
	state *policy.PodState
	node  string
	// annotations are those that the Binding adds to the pod.
	annotations map[string]string
	// ask is when the API server is asked about it.
	ask time.Time
	// until is how long it is kept although the API server has the pod pending:
	// a Binding whose answer was lost may still arrive.
	until time.Time
	// lost is until when the Binding of an earlier attempt may still arrive.
	lost time.Time
	// tried says that a Binding was created, or that it is not known whether.
	tried bool
	// sending is closed once the Binding that is under way has ended; nil while
	// there is none.
	sending chan struct{}
}

// askNow has the API server asked about it with the next sweep.
func (a *assumption) askNow() { a.ask = time.Time{} }

// assume counts a pod on a node before it is seen there. A pod that another call
// assumed is refused until it is known what came of that, or that it cannot be
// known: then it is assumed once more. On the same node what was assumed first
// stays, with the annotations that an earlier Binding may have brought already.
func (l *ledger) assume(state *policy.PodState, node string, annotations map[string]string, until time.Time) (*assumption, error) {
	if known := l.bound(state.UID); known != "" {
		return nil, fmt.Errorf("it is already bound to node %s", known)
	}
	var again *assumption
	for _, known := range l.assumed[state.UID] {
		if known.sending != nil || !known.tried {
			return nil, fmt.Errorf("it is already being bound to node %s: %w", known.node, scheduling.ErrUnderWay)
		}
		if known.node == node {
			again = known
		}
	}
	if again != nil {
		// The first attempt has nothing more to say about it.
		renewed := *again
		renewed.tried, renewed.ask, renewed.until = false, until, until
		of := l.assumed[state.UID]
		of[slices.Index(of, again)] = &renewed
		return &renewed, nil
	}
	made := &assumption{state: state.Assume(), node: node, annotations: annotations, ask: until, until: until}
	l.assumed[state.UID] = append(l.assumed[state.UID], made)
	l.place(node, made.state)
	return made, nil
}

// seenAs assumes a pod where it was seen before something older said otherwise,
// until the API server has been asked.
func (l *ledger) seenAs(record *podRecord) {
	made := &assumption{state: record.state.Assume(), node: record.node, tried: true}
	l.assumed[record.state.UID] = []*assumption{made}
	l.place(made.node, made.state)
}

// forget ends the assumption if it has not ended, and counts it.
func (l *ledger) forget(made *assumption, ended *uint64) bool {
	uid := made.state.UID
	at := slices.Index(l.assumed[uid], made)
	if at < 0 {
		return false
	}
	if len(l.assumed[uid]) == 1 {
		delete(l.assumed, uid)
	} else {
		l.assumed[uid] = slices.Concat(l.assumed[uid][:at], l.assumed[uid][at+1:])
	}
	l.displace(made.node, made.state)
	*ended++
	return true
}

// forgetAll ends what is assumed of the pod: it is on that node, or on none.
func (l *ledger) forgetAll(uid, node string) {
	for _, assumed := range l.assumed[uid] {
		ended := &l.ended.Forgotten
		if node != "" && assumed.node == node {
			ended = &l.ended.Confirmed
		}
		l.forget(assumed, ended)
	}
}

// assumedOn returns what is assumed of the pod on the node, nil for nothing.
func (l *ledger) assumedOn(uid, node string) *assumption {
	for _, assumed := range l.assumed[uid] {
		if assumed.node == node {
			return assumed
		}
	}
	return nil
}
