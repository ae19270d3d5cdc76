package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
)

// rawArgs is ExtenderArgs with its parts as they came.
type rawArgs struct {
	Pod       json.RawMessage
	Nodes     *struct{ Items []json.RawMessage }
	NodeNames *[]string
}

func named(tb testing.TB, text []byte) string {
	tb.Helper()
	// By exact names: encoding/json takes any case.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		tb.Fatal(err)
	}
	var metadata map[string]any
	if err := json.Unmarshal(members["metadata"], &metadata); err != nil {
		tb.Fatal(err)
	}
	name, _ := metadata["name"].(string)
	return name
}

var extenderSeeds = []string{
	`{}`, `null`, `[]`, `{"Pod":null}`, `{"Pod":{},"NodeNames":[]}`, `{"Pod":{},"NodeNames":null,"Nodes":null}`,
	`{"Pod":{"metadata":{"name":"p"}},"NodeNames":["a","b"]}`,
	`{"pod":{"metadata":{"name":"p"}},"nODEnAMES":["a" , "\u0062\"]", "c,d"]}`,
	`{"Pod":{},"Nodes":{"metadata":{},"items":[{"metadata":{"name":"a"}}, {"metadata":{"name":"b"}}]},"other":[1]}`,
	`{"Pod":{},"Nodes":{"items":null}}`, `{"Pod":{},"Nodes":{}}`, `{"Pod":{},"nodes":{"ITEMS":[]}}`,
	`{"Pod":{},"NodeNames":["a"],"nodenames":["b"]}`, `{"x":1,"x":2}`, `{"x":1,"X":2}`, `{"Pod":{},"NodeNames":["a",]}`,
	`{"Pod":{},"nodeName` + "\u017f" + `":["a"]}`, `{"Pod":{},"NodeNames":[null]}`, `{"Pod":{},"NodeNames":["a"]} x`,
	`{"Pod":{},"Nodes":{"items":[{"metadata":{"name":"a"}} {"metadata":{"name":"b"}}]}}`,
	"\t{ \"Pod\" :\r\n{ } , \"NodeNames\" : [ ] } ",
}

// FuzzExtenderArgs compares what is read of a call with what encoding/json reads.
func FuzzExtenderArgs(f *testing.F) {
	for _, seed := range extenderSeeds {
		f.Add([]byte(seed))
	}
	known := newKnownNodes(cache.Budget{Bytes: 6 * 1 << 20, Entries: 100}, 0, newTestMetrics())
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		args, err := scanExtenderArgs(nil, body, known)
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
		again, err2 := scanExtenderArgs(nil, body, &knownNodes{})
		if (err == nil) != (err2 == nil) {
			t.Fatalf("with known nodes %v, without %v", err, err2)
		}
		if err != nil {
			return
		}
		if len(again.items) != len(args.items) {
			t.Fatalf("%d nodes with known ones, %d without", len(args.items), len(again.items))
		}
		var want rawArgs
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("accepted, and encoding/json says %v", err)
		}
		if pod := want.Pod; args.pod.Absent() != (pod == nil || string(pod) == "null") {
			t.Fatalf("the pod is absent: %t, encoding/json reads %s", args.pod.Absent(), pod)
		}
		if !args.pod.Absent() && !bytes.Equal(args.pod.Of(body), want.Pod) {
			t.Fatalf("the pod is %s, want %s", args.pod.Of(body), want.Pod)
		}
		if args.whole != (want.Nodes != nil) || (args.names == nil) != (want.NodeNames == nil) {
			t.Fatalf("nodes: %t, names: %t, want %t, %t", args.whole, args.names != nil, want.Nodes != nil, want.NodeNames != nil)
		}
		if want.Nodes != nil {
			if len(args.nodes) != len(want.Nodes.Items) {
				t.Fatalf("%d nodes, want %d", len(args.nodes), len(want.Nodes.Items))
			}
			for i, item := range want.Nodes.Items {
				if !bytes.Equal(args.items[i].Of(body), item) || !bytes.Equal(args.nodes[i].Text(), item) {
					t.Fatalf("node %d is %s, want %s", i, args.items[i].Of(body), item)
				}
				if got, want := args.nodes[i].Name(), named(t, item); got != want {
					t.Fatalf("node %d is called %q, want %q", i, got, want)
				}
			}
		}
		if want.NodeNames != nil {
			if len(args.names) != len(*want.NodeNames) {
				t.Fatalf("%d names, want %d", len(args.names), len(*want.NodeNames))
			}
			for i, name := range *want.NodeNames {
				if got := string(args.names[i]); got != name || string(document.Unquoted(args.items[i].Of(body))) != name {
					t.Fatalf("name %d is %q, written as %s, want %q", i, got, args.items[i].Of(body), name)
				}
			}
		}
		wantKubernetesReading(t, body, args)
	})
}

// wantKubernetesReading compares with the scheduler's own types, as far as these
// read the body at all: they are strict about the fields of pods and nodes.
func wantKubernetesReading(t *testing.T, body []byte, args extenderArgs) {
	t.Helper()
	var typed extenderv1.ExtenderArgs
	if json.Unmarshal(body, &typed) != nil {
		return
	}
	names, nodes := 0, 0
	if typed.NodeNames != nil {
		names = len(*typed.NodeNames)
	}
	if typed.Nodes != nil {
		nodes = len(typed.Nodes.Items)
	}
	if (typed.Pod == nil) != args.pod.Absent() || names != len(args.names) || nodes != len(args.nodes) {
		t.Fatalf("a pod: %t, %d names and %d nodes; ExtenderArgs has %t, %d and %d",
			!args.pod.Absent(), len(args.names), len(args.nodes), typed.Pod != nil, names, nodes)
	}
}

func TestNamesOfMembers(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		ok   bool
	}{
		"any case":                     {`{"POD":{},"nodenames":[]}`, true},
		"escapes":                      {`{"\u0050od":{},"NodeNames":[]}`, true},
		"folded as encoding/json does": {`{"Pod":{},"nodeName` + "\u017f" + `":[]}`, true},
		"twice":                        {`{"Pod":{},"Pod":{},"NodeNames":[]}`, false},
		"twice in two cases":           {`{"Pod":{},"pod":{},"NodeNames":[]}`, false},
		"twice, folded":                {`{"Pod":{},"NodeNames":[],"nodeName` + "\u017f" + `":[]}`, false},
		"twice by an escape":           {`{"Pod":{},"\u0050od":{},"NodeNames":[]}`, false},
		"another twice":                {`{"Pod":{},"NodeNames":[],"x":1,"x":1}`, false},
		"others in two cases":          {`{"Pod":{},"NodeNames":[],"x":1,"X":1}`, true},
		"items twice":                  {`{"Pod":{},"Nodes":{"items":[],"Items":[]}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			args, err := scanExtenderArgs(nil, []byte(test.body), &knownNodes{})
			if (err == nil) != test.ok {
				t.Fatalf("got error %v", err)
			}
			if test.ok && (args.pod.Absent() || args.names == nil) {
				t.Errorf("read %+v", args)
			}
		})
	}
}

// TestScanningIsLinear scans documents with very many parts.
func TestScanningIsLinear(t *testing.T) {
	const many = 100_000
	repeat := func(each string) string {
		var b strings.Builder
		for i := range many {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, each, i)
		}
		return b.String()
	}
	for name, body := range map[string]string{
		"members":          `{"Pod":{},"NodeNames":[],` + repeat(`"member-%d":0`) + `}`,
		"members of Nodes": `{"Pod":{},"Nodes":{` + repeat(`"member-%d":0`) + `}}`,
		"members of Pod":   `{"Pod":{` + repeat(`"member-%d":0`) + `},"NodeNames":[]}`,
		"names":            `{"Pod":{},"NodeNames":[` + repeat(`"node-%d"`) + `]}`,
		"nodes":            `{"Pod":{},"Nodes":{"items":[` + repeat(`{"metadata":{"name":"node-%d"}}`) + `]}}`,
		"escapes":          `{"Pod":{},"NodeNames":["` + strings.Repeat(`\"`, many) + `"]}`,
		"commas":           `{"Pod":{},"NodeNames":["` + strings.Repeat(`,`, 10*many) + `"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			args, err := scanExtenderArgs(nil, []byte(body), &knownNodes{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parseExtenderArgs(nil, []byte(body), args); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%d bytes took %s", len(body), took)
			}
			if name == "commas" && cap(args.names) > many {
				t.Errorf("room for %d names was made for one with commas", cap(args.names))
			}
		})
	}
}

func TestKnownNodes(t *testing.T) {
	pad := strings.Repeat("x", nodePrefix)
	text := func(name, end string) string {
		return `{"metadata":{"annotations":{"pad":"` + pad + `"},"name":"` + name + `"},"end":"` + end + `"}`
	}
	short := `{"metadata":{"name":"short"}}`
	for name, test := range map[string]struct {
		known []string
		rest  string
		found string // "" when nothing is
	}{
		"the same bytes":                    {[]string{text("a", "1")}, text("a", "1") + `]}}`, text("a", "1")},
		"at the very end":                   {[]string{text("a", "1")}, text("a", "1"), text("a", "1")},
		"another last byte":                 {[]string{text("a", "1")}, text("a", "2") + `]}}`, ""},
		"another name behind the prefix":    {[]string{text("a", "1")}, text("b", "1"), ""},
		"broken off":                        {[]string{text("a", "1")}, text("a", "1")[:nodePrefix+10], ""},
		"broken off in the prefix":          {[]string{text("a", "1")}, text("a", "1")[:nodePrefix-1], ""},
		"one prefix, the one that was last": {[]string{text("a", "1"), text("b", "1")}, text("b", "1"), text("b", "1")},
		"one prefix, the one before":        {[]string{text("a", "1"), text("b", "1")}, text("a", "1"), ""},
		"a short one is not kept":           {[]string{short}, short + "," + text("a", "1"), ""},
		"nothing left":                      {[]string{text("a", "1")}, "", ""},
		"spaces before":                     {[]string{text("a", "1")}, " " + text("a", "1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			known := newKnownNodes(cache.Budget{Bytes: 6 * 1 << 20, Entries: 100}, 0, newTestMetrics())
			for _, each := range test.known {
				body := []byte(each)
				if _, err := known.add(body); err != nil {
					t.Fatal(err)
				}
				clear(body) // it belongs to a call that has ended
			}
			found, ok := known.find([]byte(test.rest))
			if ok != (test.found != "") {
				t.Fatalf("found: %t", ok)
			}
			if ok && string(found.Text()) != test.found {
				t.Errorf("found %s", found.Text())
			}
		})
	}
	t.Run("what is no node is not kept", func(t *testing.T) {
		known := newKnownNodes(cache.Budget{Bytes: 6 * 1 << 20, Entries: 100}, 0, newTestMetrics())
		broken := `{"metadata":{"annotations":{"pad":"` + pad + `"}}}`
		if _, err := known.add([]byte(broken)); err == nil {
			t.Fatal("a node without a name was read")
		}
		if _, ok := known.find([]byte(broken)); ok {
			t.Error("it was kept")
		}
	})
	t.Run("without room", func(t *testing.T) {
		known := newKnownNodes(cache.Budget{}, 0, newTestMetrics())
		if _, err := known.add([]byte(text("a", "1"))); err != nil {
			t.Fatal(err)
		}
		if _, ok := known.find([]byte(text("a", "1"))); ok {
			t.Error("a node is known")
		}
	})
}

func TestNodeNamesAsTheyAreWritten(t *testing.T) {
	body := []byte(`{"Pod":{},"NodeNames":["a", "\u0062\"]" ,"c,d","e\\" , "]"]}`)
	args, err := scanExtenderArgs(nil, body, &knownNodes{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range args.names {
		got = append(got, string(name))
	}
	if want := []string{"a", `b"]`, "c,d", `e\`, "]"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
