package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// extenderArgs says where in a body the parts of an extender call are.
type extenderArgs struct {
	pod       document.Part // absent when it is missing or null
	podValues int
	// whole says that there are Nodes; items are where they are.
	whole bool
	items []document.Part
	nodes []*nodes.Node
	// names are those of NodeNames, nil when it is missing or null; items are
	// where they are, with their quotes.
	names [][]byte
}

var errMissing = errors.New("is missing")

// at says where in the call err is.
func at(field string, err error) error {
	return fmt.Errorf("%s: %w", field, err)
}

// scanExtenderArgs finds the parts of a call, its keys without regard to case as
// the scheduler's own decoder does. Megabytes of nodes are passed over once, and
// what was seen before is passed over by comparing it.
func scanExtenderArgs(c *call, body []byte, known *knownNodes) (args extenderArgs, err error) {
	s := newArgsScanner(c, body)
	err = s.Object([]string{"pod", "nodes", "nodenames"}, func(name string) error {
		switch name {
		case "pod":
			args.pod, args.podValues, err = s.Nullable()
			if _, many := errors.AsType[*valuesError](err); many {
				return at("Pod", err)
			}
			return err
		case "nodenames":
			var items []document.Part
			items, args.names, err = s.nodeNames()
			if args.names != nil {
				args.items = items
			}
			return err
		}
		if s.Null() {
			return s.Skip()
		}
		args.whole = true
		err = s.Object([]string{"items"}, func(string) error {
			args.items, args.nodes, err = s.nodes(known)
			return err
		})
		if errors.Is(err, document.ErrNotObject) {
			return at("Nodes", err)
		}
		return err
	})
	if err != nil {
		return args, err
	}
	if s.Peek() != 0 {
		return args, errors.New("invalid JSON: data after the document")
	}
	return args, nil
}

// argsScanner walks the levels of a call down to its pod and its nodes, and charges
// the call for what is found.
type argsScanner struct {
	document.Walker
	call *call // nil for no bounds
}

func newArgsScanner(c *call, body []byte) *argsScanner {
	s := &argsScanner{call: c}
	s.Walker = document.Walker{
		Text: body, Until: c.until(), Most: c.objectLimit(),
		TooMany: func() error { return &valuesError{"it", c.objectLimit(), "objectValues"} },
		Member:  func(before int, name string) error { return s.pause(before, listedMember+len(name)) },
	}
	return s
}

// nodeItems is where whole nodes are in a call.
const nodeItems = "Nodes.items"

// nodes goes past a list of nodes, and returns where they are and what they
// are. A null list has none.
func (s *argsScanner) nodes(known *knownNodes) ([]document.Part, []*nodes.Node, error) {
	if s.Null() {
		return nil, nil, s.Skip()
	}
	if b := s.Peek(); b != '[' && b != 0 {
		return nil, nil, at(nodeItems, errors.New("must be a list of nodes"))
	}
	if err := s.Take('['); err != nil {
		return nil, nil, err
	}
	var items []document.Part
	var nodes []*nodes.Node
	for first := true; s.Peek() != ']'; first = false {
		if !first {
			if err := s.Take(','); err != nil {
				return nil, nil, err
			}
		}
		if s.Peek() == 0 {
			_, err := s.Value() // says that it ends too early
			return nil, nil, err
		}
		if err := s.pause(len(items), listedNode); err != nil {
			return nil, nil, err
		}
		place, node, err := s.node(known)
		if err != nil {
			return nil, nil, fmt.Errorf("%s[%d]%s%w", nodeItems, len(items), between(err), err)
		}
		items, nodes = append(items, place), append(nodes, node)
	}
	s.Next++
	return items, nodes, nil
}

// between is what stands between a node and what err, of the node, says: some
// errors begin with a field.
func between(err error) string {
	_, syntax := errors.AsType[*document.SyntaxError](err)
	_, many := errors.AsType[*valuesError](err)
	if syntax || many {
		return ": "
	}
	return "."
}

// pause takes what one more of several parts takes, in bytes, and looks now and
// then whether the caller still waits.
func (s *argsScanner) pause(parts, bytes int) error {
	const every = 16
	if until := s.call.until(); until != nil && parts%every == every-1 && until.Err() != nil {
		return fmt.Errorf("reading part %d of a call: %w", parts+1, policy.ErrTimeout)
	}
	return s.call.take(bytes)
}

// node goes past one node. One that came before, byte by byte, is not read again.
func (s *argsScanner) node(known *knownNodes) (document.Part, *nodes.Node, error) {
	if found, ok := known.find(s.Text[s.Next:]); ok {
		place := document.Part{Start: s.Next, End: s.Next + len(found.Text())}
		s.Next = place.End
		return place, found, nil
	}
	place, err := s.Value()
	if err != nil {
		return document.Part{}, nil, err
	}
	if err := s.call.take(place.End - place.Start); err != nil {
		return document.Part{}, nil, err
	}
	node, err := known.add(place.Of(s.Text))
	return place, node, document.Later(err, place.Start)
}

// nodeNames goes past NodeNames. The list is checked as a whole, and only then
// taken apart: each name by itself would cost more.
func (s *argsScanner) nodeNames() ([]document.Part, [][]byte, error) {
	if s.Null() {
		return nil, nil, s.Skip()
	}
	if b := s.Peek(); b != '[' && b != 0 {
		return nil, nil, at("NodeNames", errors.New("must be a list of strings"))
	}
	list, count, err := s.Counted()
	if err == nil {
		err = s.call.take(count * listedNode)
	}
	if err != nil {
		return nil, nil, at("NodeNames", err)
	}
	text := s.Text[:list.End-1]
	items, names := make([]document.Part, 0, count), make([][]byte, 0, count)
	for next := list.Start + 1; ; {
		inner := document.Walker{Text: text, Next: next}
		switch b := inner.Peek(); b {
		case 0:
			return items, names, nil
		case ',':
			next = inner.Next + 1
			continue
		case '"':
		default:
			return nil, nil, at(fmt.Sprintf("NodeNames[%d]", len(names)), errors.New("must be a string"))
		}
		start, end, escaped := inner.Next, inner.Next+1, false
		for text[end] != '"' {
			if text[end] == '\\' {
				escaped = true
				end++
			}
			end++
		}
		next = end + 1
		items = append(items, document.Part{Start: start, End: next})
		name := text[start+1 : end]
		if escaped {
			name = document.Unquoted(text[start:next])
		}
		names = append(names, name)
	}
}

// checkNames refuses empty names and those that come twice.
func checkNames(names [][]byte) error {
	// Open addressing, at most half full.
	size := 1
	for size < 2*len(names) {
		size *= 2
	}
	seed := maphash.MakeSeed()
	slots := make([]int32, size) // the place of a name, from 1
	for i, name := range names {
		at := int(maphash.Bytes(seed, name)) & (size - 1) //nolint:gosec // a hash
		for slots[at] != 0 && !bytes.Equal(names[slots[at]-1], name) {
			at = (at + 1) & (size - 1)
		}
		if len(name) == 0 || slots[at] != 0 {
			return fmt.Errorf("NodeNames[%d]: every node needs a name of its own", i)
		}
		slots[at] = int32(i + 1)
	}
	return nil
}
