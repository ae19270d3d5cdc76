package cluster

import (
	"fmt"
	"slices"
	"time"

	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// assumption is a pod that was sent to a node and that the watch has not shown there
// yet. A pod has several assumptions when the result of its first Binding is unknown
// and another Binding sends it to another node: only one of them can come true, and
// the pod takes room on each node until it is known which one did.
//
// Its fields are guarded as the ledger is.
type assumption struct {
	state *nodes.Pod
	node  string
	// annotations are those that the Binding adds to the pod.
	annotations map[string]string
	// ask is the time at which the API server is asked about the pod.
	ask time.Time
	// until is the end of the assumption if the pod is still pending in the API server:
	// a Binding whose answer was lost may arrive until then.
	until time.Time
	// lost is the time until which the Binding of an earlier attempt may arrive.
	lost time.Time
	// tried says that a Binding was created, or may have been created.
	tried bool
	// sending is closed once the Binding in flight has ended; nil without one.
	sending chan struct{}
}

// askNow makes the next sweep ask the API server about the pod.
func (a *assumption) askNow() { a.ask = time.Time{} }

// assume counts a pod on a node before the watch shows it there. A pod that another
// call assumed is refused until the result of that call is known, or cannot be known:
// then the pod is assumed a second time. On the same node the first assumption stays,
// with the annotations that an earlier Binding may already have added.
func (l *ledger) assume(state *nodes.Pod, node string, annotations map[string]string, until time.Time) (*assumption, error) {
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
		// The first attempt no longer decides about the pod.
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

// seenAs assumes a pod on its last known node after older news contradicted this,
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

// forgetAll ends all assumptions of the pod: it is on that node, or on none.
func (l *ledger) forgetAll(uid, node string) {
	for _, assumed := range l.assumed[uid] {
		ended := &l.ended.Forgotten
		if node != "" && assumed.node == node {
			ended = &l.ended.Confirmed
		}
		l.forget(assumed, ended)
	}
}

// assumedOn returns the assumption of the pod on the node, nil without one.
func (l *ledger) assumedOn(uid, node string) *assumption {
	for _, assumed := range l.assumed[uid] {
		if assumed.node == node {
			return assumed
		}
	}
	return nil
}
