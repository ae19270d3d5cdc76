package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

var errNoClusterToBind = &fault{"cluster", errors.New("verdict is not connected to a cluster and binds no pods: set scheduling.bind.enabled, and cluster.kubeconfig or cluster.inCluster, or remove bindVerb from the extender")}

// bind answers POST /scheduler/bind: ExtenderBindingResult, whose Error is empty
// when the pod is bound. A scheduler that got no answer calls again, and gets the
// same answer.
func (h *handler) bind(c *call) {
	b, ok := h.decodeBinding(c)
	if !ok {
		return
	}
	bound, err := h.decideBinding(c, &b)
	h.encodeBound(c, bound, err)
}

// bindingCall is a binding that one profile decides.
type bindingCall struct {
	scheduling.Binding
	profile policy.Profile
	// undecidable is why a call that is well-formed can't be decided; nil when it can.
	undecidable error
}

// decodeBinding reads a call, whose body is not needed afterwards. It is false when
// the answer has been written.
func (h *handler) decodeBinding(c *call) (b bindingCall, ok bool) {
	var err error
	if b.Binding, err = parseBinding(c); err != nil {
		c.refuse(err)
		return b, false
	}
	view, ok := h.currentView(c)
	if !ok {
		return b, false
	}
	c.forgetBody()
	b.profile, b.undecidable = c.endpoint.rules(c.request, view)
	switch {
	case b.undecidable != nil:
	case h.Cluster == nil:
		b.undecidable = errNoClusterToBind
	default:
		if err := h.Cluster.Ready(); err != nil {
			h.Log.Warn("extender call refused: the cluster has not been read yet", zap.Error(err))
			writeStatus(c, http.StatusServiceUnavailable, errNotReady.Error())
			return b, false
		}
	}
	return b, true
}

func (h *handler) decideBinding(c *call, b *bindingCall) (scheduling.Bound, error) {
	if b.undecidable != nil {
		return scheduling.Bound{}, b.undecidable
	}
	bound, work, err := scheduling.Bind(c.sharedContext(), b.profile, h.Cluster, b.Binding)
	c.endpoint.countWork(work)
	return bound, err
}

// encodeBound answers with what became of the binding.
func (h *handler) encodeBound(c *call, bound scheduling.Bound, err error) {
	message, outcome := "", "bound"
	switch {
	case err != nil:
		outcome = outcomeError
		message = bindError(err)
		if h.Cluster != nil && h.Cluster.Active() != nil {
			// A Service routes new connections to the replica that binds, and the
			// scheduler would keep this connection open.
			c.Header().Set("Connection", "close")
		}
		h.failed(policy.SchedulingPoint, bindVerb, clusterFault(err))
	case len(bound.Deny) > 0:
		outcome = "denied"
		message = strings.Join(bound.Deny, "; ")
		c.endpoint.countReasons(bound.Deny, 1)
	case bound.Before:
		outcome = "boundBefore"
	}
	h.countCall(bindVerb, outcome)
	writeJSON(c, http.StatusOK, append(appendText([]byte(`{`), `"Error":`, message), '}'))
}

// bindError is the message for the scheduler, which puts it into the pod's events.
func bindError(err error) string {
	if _, ok := errors.AsType[*policy.EvaluationError](err); ok {
		return "policy error: " + err.Error()
	}
	return err.Error()
}

// clusterFault is err, as a fault of the cluster where it is not the policy's.
func clusterFault(err error) error {
	_, isFault := errors.AsType[*fault](err)
	_, isPolicy := errors.AsType[*policy.EvaluationError](err)
	if isFault || isPolicy || errors.Is(err, policy.ErrTimeout) {
		return err
	}
	return &fault{"cluster", err}
}

// parseBinding reads k8s.io/kube-scheduler/extender/v1 ExtenderBindingArgs, its
// keys without regard to case as the scheduler's own decoder does. The error is
// for refuse.
func parseBinding(c *call) (b scheduling.Binding, err error) {
	if err := c.index(indexedValue); err != nil {
		return b, err
	}
	parsed, err := document.ParseObjectUntil(c.context(), c.body)
	if err != nil {
		return b, err
	}
	defer parsed.Release()
	fields := []string{"PodName", "PodNamespace", "PodUID", "Node"}
	members, err := document.MembersOf(parsed.Root(), fields...)
	if err != nil {
		return b, err
	}
	for i, into := range []*string{&b.Name, &b.Namespace, &b.UID, &b.Node} {
		text, ok := members[i].Text()
		switch {
		case members[i].IsNull(), ok && text == "":
			return b, at(fields[i], errMissing)
		case !ok:
			return b, at(fields[i], errors.New("must be a string"))
		case len(text) > longestName:
			return b, at(fields[i], fmt.Errorf("is longer than %d bytes", longestName))
		}
		*into = text
	}
	return b, nil
}

// longestName bounds names and UIDs in a binding, in bytes: those of Kubernetes
// have at most 253, and they come back in messages.
const longestName = 1024
