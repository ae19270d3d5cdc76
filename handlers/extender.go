package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// extenderArgs is k8s.io/kube-scheduler/extender/v1 ExtenderArgs: a pod and
// either whole nodes or the names of nodes.
type extenderArgs struct {
	pod   policy.Object
	nodes []scheduling.Node
	// raw holds each node as it came, in the order of nodes; nil in the names form.
	raw []jsontext.Value
	// err is why the call can't be decided although it is well-formed.
	err error
}

// errNoCluster answers the names form when there is nothing to look names up in.
var errNoCluster = errors.New("the call names nodes, and verdict is not connected to a cluster: set cluster.kubeconfig or cluster.inCluster, or set nodeCacheCapable: false on the extender")

var errMissing = errors.New("is missing")

// at says where in the call err is.
func at(field string, err error) error {
	return fmt.Errorf("%s: %w", field, err)
}

// readExtenderArgs decodes an extender call. ok is false when the answer has
// been written. args.err is set when the call is well-formed but can't be decided.
func (h *handler) readExtenderArgs(w http.ResponseWriter, r *http.Request) (args extenderArgs, revision *policy.Revision, ok bool) {
	args, names, err := parseExtenderArgs(bodyOf(r))
	if err != nil {
		writeStatus(w, http.StatusBadRequest, err.Error())
		return args, nil, false
	}
	revision = h.Revisions.Revision()
	if revision == nil {
		writeStatus(w, http.StatusServiceUnavailable, policy.ErrNoRevision.Error())
		return args, nil, false
	}
	if args.raw != nil {
		return args, revision, true
	}
	args.nodes = make([]scheduling.Node, len(names))
	for i, name := range names {
		args.nodes[i].Name = name
	}
	if h.Nodes == nil {
		args.err = errNoCluster
		return args, revision, true
	}
	if err := h.Nodes.Ready(); err != nil {
		h.Log.Warn("extender call refused: the nodes have not been read yet", zap.Error(err))
		writeStatus(w, http.StatusServiceUnavailable, "the nodes of the cluster have not been read yet")
		return args, nil, false
	}
	for i, name := range names {
		args.nodes[i].Object, _ = h.Nodes.Node(name)
	}
	return args, revision, true
}

// parseExtenderArgs reads the call, its keys without regard to case as the
// scheduler's own decoder does. names is non-nil in the names form.
func parseExtenderArgs(body []byte) (args extenderArgs, names []string, err error) {
	fields, err := topLevel(body, "pod", "nodes", "nodenames")
	if err != nil {
		return args, nil, err
	}
	if isNull(fields["pod"]) {
		return args, nil, at("Pod", errMissing)
	}
	if args.pod, err = policy.DecodeObject(fields["pod"]); err != nil {
		return args, nil, at("Pod", err)
	}
	hasNodes, hasNames := !isNull(fields["nodes"]), !isNull(fields["nodenames"])
	switch {
	case hasNodes && hasNames:
		return args, nil, at("Nodes", errors.New("send either these or NodeNames, not both"))
	case hasNodes:
		return args, nil, args.readNodes(fields["nodes"])
	case hasNames:
		names, err = nodeNames(fields["nodenames"])
		return args, names, err
	}
	return args, nil, at("Nodes", errors.New("is missing, and so is NodeNames: send one"))
}

func (a *extenderArgs) readNodes(list jsontext.Value) error {
	fields, err := topLevel(list, "items")
	if err != nil {
		return at("Nodes", err)
	}
	a.raw = []jsontext.Value{}
	if isNull(fields["items"]) {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(fields["items"]))
	if token, err := d.ReadToken(); err != nil || token.Kind() != '[' {
		return at("Nodes.items", errors.New("must be a list of nodes"))
	}
	seen := map[string]bool{}
	for d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if err != nil {
			return at("Nodes.items", err)
		}
		raw := bytes.Clone(value) // the decoder's buffer is its own
		where := fmt.Sprintf("Nodes.items[%d]", len(a.raw))
		node, err := policy.DecodeObject(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		metadata, err := node.Object("metadata")
		if err != nil {
			return fmt.Errorf("%s.%w", where, err)
		}
		name, err := metadata.String("name")
		if err != nil {
			return fmt.Errorf("%s.metadata.%w", where, err)
		}
		if name == "" || seen[name] {
			return fmt.Errorf("%s.metadata.name: every node needs a name of its own", where)
		}
		seen[name] = true
		a.raw = append(a.raw, raw)
		a.nodes = append(a.nodes, scheduling.Node{Name: name, Object: node})
	}
	return nil
}

func nodeNames(list jsontext.Value) ([]string, error) {
	wrapped, err := policy.DecodeObject(slices.Concat([]byte(`{"NodeNames":`), list, []byte(`}`)))
	if err != nil {
		return nil, at("NodeNames", err)
	}
	names, err := wrapped.Strings("NodeNames")
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		if name == "" || seen[name] {
			return nil, fmt.Errorf("NodeNames[%d]: every node needs a name of its own", i)
		}
		seen[name] = true
	}
	return names, nil
}

// topLevel splits an object into the raw values of the wanted fields (lower
// case), without regard to case. The caller owns the values.
func topLevel(body []byte, wanted ...string) (map[string]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	token, err := d.ReadToken()
	if err != nil {
		return nil, policy.NewSyntaxError(err, d.InputOffset())
	}
	if token.Kind() != '{' {
		return nil, errors.New("invalid JSON: the document must be an object")
	}
	fields := map[string]jsontext.Value{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, policy.NewSyntaxError(err, d.InputOffset())
		}
		// The token is void once the decoder goes on.
		written := name.String()
		key := strings.ToLower(written)
		value, err := d.ReadValue()
		if err != nil {
			return nil, policy.NewSyntaxError(err, d.InputOffset())
		}
		if !slices.Contains(wanted, key) {
			continue
		}
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("invalid JSON: duplicate name in object (/%s)", printable(written))
		}
		fields[key] = value.Clone()
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, policy.NewSyntaxError(err, d.InputOffset())
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("invalid JSON: data after the document")
	}
	return fields, nil
}

func isNull(v jsontext.Value) bool {
	return v == nil || v.Kind() == 'n'
}
