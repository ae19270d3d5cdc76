package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// extenderArgs says where in a body the parts of an extender call are.
type extenderArgs struct {
	pod       item // absent when it is missing or null
	podValues int
	// whole says that there are Nodes; items are where they are.
	whole bool
	items []item
	nodes []*nodes.Node
	// names are those of NodeNames, nil when it is missing or null; items are
	// where they are, with their quotes.
	names [][]byte
}

// item is a part of the body.
type item struct{ start, end int }

func (i item) of(body []byte) []byte { return body[i.start:i.end] }

func (i item) absent() bool { return i.end == 0 }

var errNotObject = errors.New("invalid JSON: the document must be an object")

var errMissing = errors.New("is missing")

// at says where in the call err is.
func at(field string, err error) error {
	return fmt.Errorf("%s: %w", field, err)
}

// scanExtenderArgs finds the parts of a call, its keys without regard to case as
// the scheduler's own decoder does. Megabytes of nodes are passed over once, and
// what was seen before is passed over by comparing it.
func scanExtenderArgs(c *call, body []byte, known *knownNodes) (args extenderArgs, err error) {
	s := scanner{text: body, call: c}
	err = s.object([]string{"pod", "nodes", "nodenames"}, func(name string) error {
		switch name {
		case "pod":
			args.pod, args.podValues, err = s.nullable()
			if _, many := errors.AsType[*valuesError](err); many {
				return at("Pod", err)
			}
			return err
		case "nodenames":
			var items []item
			items, args.names, err = s.nodeNames()
			if args.names != nil {
				args.items = items
			}
			return err
		}
		if s.null() {
			return s.skip()
		}
		args.whole = true
		err = s.object([]string{"items"}, func(string) error {
			args.items, args.nodes, err = s.nodes(known)
			return err
		})
		if errors.Is(err, errNotObject) {
			return at("Nodes", err)
		}
		return err
	})
	if err != nil {
		return args, err
	}
	if s.peek() != 0 {
		return args, errors.New("invalid JSON: data after the document")
	}
	return args, nil
}

// scanner walks the outermost levels of a JSON document. The values in them
// are checked by jsontext.
type scanner struct {
	text []byte
	next int
	call *call // nil for no bounds
}

// peek is the next character that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.next < len(s.text); s.next++ {
		switch b := s.text[s.next]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

// take goes past b, the next character that is not white space.
func (s *scanner) take(b byte) error {
	if s.peek() != b || b == 0 {
		return s.wrong(fmt.Sprintf("expected %q", b))
	}
	s.next++
	return nil
}

func (s *scanner) wrong(message string) error {
	if s.next >= len(s.text) {
		message = "the document ends too early"
	}
	return &document.SyntaxError{Offset: int64(s.next), Message: message}
}

// value goes past a value, which has no more values in it than one object may.
func (s *scanner) value() (item, error) {
	found, _, err := s.counted(s.call.objectLimit())
	return found, err
}

// counted is value with at most so many values, and returns how many there are.
func (s *scanner) counted(most int) (found item, values int, err error) {
	if s.peek() == 0 {
		return item{}, 0, s.wrong("")
	}
	values = 1
	if b := s.peek(); b == '{' || b == '[' {
		if _, values, err = document.Extent(s.call.until(), s.text[s.next:], most); err != nil {
			return item{}, 0, document.Later(err, s.next)
		}
		if values > most {
			return item{}, 0, &valuesError{"it", most, "objectValues"}
		}
	}
	found, err = s.checked()
	return found, values, err
}

func (s *scanner) checked() (item, error) {
	length, err := document.NextValue(s.text[s.next:])
	if err != nil {
		return item{}, document.Later(err, s.next)
	}
	found := item{start: s.next, end: s.next + length}
	s.next = found.end
	return found, nil
}

func (s *scanner) skip() error {
	_, err := s.value()
	return err
}

func (s *scanner) null() bool { return s.peek() == 'n' }

// nullable is value, absent when it is null.
func (s *scanner) nullable() (item, int, error) {
	null := s.null()
	found, values, err := s.counted(s.call.objectLimit())
	if null {
		found = item{}
	}
	return found, values, err
}

// object goes past an object. visit is called for each of the wanted members
// (lower case) and goes past its value.
func (s *scanner) object(wanted []string, visit func(name string) error) error {
	if s.peek() != '{' {
		if s.peek() == 0 {
			return s.wrong("")
		}
		return errNotObject
	}
	s.next++
	seen := map[string]bool{}
	for first := true; s.peek() != '}'; first = false {
		if !first {
			if err := s.take(','); err != nil {
				return err
			}
		}
		if s.peek() != '"' {
			return s.wrong("expected the name of a member")
		}
		raw, err := s.value()
		if err != nil {
			return err
		}
		written := string(unquoted(raw.of(s.text)))
		name := written
		if i := slices.IndexFunc(wanted, func(w string) bool { return strings.EqualFold(w, written) }); i >= 0 {
			name = wanted[i]
		}
		if seen[name] {
			return fmt.Errorf("invalid JSON: duplicate name in object (/%s)", printable(written))
		}
		if err := s.pause(len(seen), listedMember+len(name)); err != nil {
			return err
		}
		seen[name] = true
		if err := s.take(':'); err != nil {
			return err
		}
		if !slices.Contains(wanted, name) {
			if err := s.skip(); err != nil {
				return err
			}
			continue
		}
		if err := visit(name); err != nil {
			return err
		}
	}
	s.next++
	return nil
}

// nodeItems is where whole nodes are in a call.
const nodeItems = "Nodes.items"

// nodes goes past a list of nodes, and returns where they are and what they
// are. A null list has none.
func (s *scanner) nodes(known *knownNodes) ([]item, []*nodes.Node, error) {
	if s.null() {
		return nil, nil, s.skip()
	}
	if b := s.peek(); b != '[' && b != 0 {
		return nil, nil, at(nodeItems, errors.New("must be a list of nodes"))
	}
	if err := s.take('['); err != nil {
		return nil, nil, err
	}
	var items []item
	var nodes []*nodes.Node
	for first := true; s.peek() != ']'; first = false {
		if !first {
			if err := s.take(','); err != nil {
				return nil, nil, err
			}
		}
		if s.peek() == 0 {
			return nil, nil, s.wrong("")
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
	s.next++
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
func (s *scanner) pause(parts, bytes int) error {
	const every = 16
	if until := s.call.until(); until != nil && parts%every == every-1 && until.Err() != nil {
		return fmt.Errorf("reading part %d of a call: %w", parts+1, policy.ErrTimeout)
	}
	return s.call.take(bytes)
}

// node goes past one node. One that came before, byte by byte, is not read again.
func (s *scanner) node(known *knownNodes) (item, *nodes.Node, error) {
	if found, ok := known.find(s.text[s.next:]); ok {
		place := item{start: s.next, end: s.next + len(found.Text())}
		s.next = place.end
		return place, found, nil
	}
	place, err := s.value()
	if err != nil {
		return item{}, nil, err
	}
	if err := s.call.take(place.end - place.start); err != nil {
		return item{}, nil, err
	}
	node, err := known.add(place.of(s.text))
	return place, node, document.Later(err, place.start)
}

// nodeNames goes past NodeNames. The list is checked as a whole, and only then
// taken apart: each name by itself would cost more.
func (s *scanner) nodeNames() ([]item, [][]byte, error) {
	if s.null() {
		return nil, nil, s.skip()
	}
	if b := s.peek(); b != '[' && b != 0 {
		return nil, nil, at("NodeNames", errors.New("must be a list of strings"))
	}
	list, count, err := s.counted(math.MaxInt)
	if err == nil {
		err = s.call.take(count * listedNode)
	}
	if err != nil {
		return nil, nil, at("NodeNames", err)
	}
	text := s.text[:list.end-1]
	items, names := make([]item, 0, count), make([][]byte, 0, count)
	for next := list.start + 1; ; {
		inner := scanner{text: text, next: next}
		switch b := inner.peek(); b {
		case 0:
			return items, names, nil
		case ',':
			next = inner.next + 1
			continue
		case '"':
		default:
			return nil, nil, at(fmt.Sprintf("NodeNames[%d]", len(names)), errors.New("must be a string"))
		}
		start, end, escaped := inner.next, inner.next+1, false
		for text[end] != '"' {
			if text[end] == '\\' {
				escaped = true
				end++
			}
			end++
		}
		next = end + 1
		items = append(items, item{start: start, end: next})
		name := text[start+1 : end]
		if escaped {
			name = unquoted(text[start:next])
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

// unquoted is the text of a JSON string that was checked before.
func unquoted(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	return text
}
