package handlers_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/handlers"
)

// list is a JSON list of n times value.
func list(value string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(value+",", n), ",") + "]"
}

// keys are the members of an object with n names.
func keys(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"k%d":0`, i)
	}
	return b.String()
}

func reviewWithSelector(values string) string {
	return `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"alice","resourceAttributes":{"verb":"list","labelSelector":{"requirements":[{"key":"a","operator":"In","values":` + values + `}]}}}}`
}

// TestValuesAreBounded sends each endpoint bodies that are small in bytes.
func TestValuesAreBounded(t *testing.T) {
	const few, call, object = 500, 3000, 1000
	bounded := func(o *handlers.Options) {
		o.ReviewValues, o.SchedulingValues, o.ObjectValues = few, call, object
	}
	modules := []string{claimsPolicy, allowAlice, placementPolicy}
	s := newService(t, modules, knowing(secretToken, aliceIdentity()), inWholeCluster(newCluster(t, node("fit"))), bounded)

	review, inCall, inObject := "500 JSON values, the limit set by server.limits.reviewValues",
		"3000 JSON values, the limit set by server.limits.schedulingValues", "1000 JSON values, the limit set by server.limits.objectValues"
	extender := func(pod, nodes string) string { return `{"Pod":` + pod + `,"Nodes":{"items":[` + nodes + `]}}` }
	fit := node("fit")
	for name, test := range map[string]struct{ path, body, message string }{
		"empty strings in a selector":   {"/authorize", reviewWithSelector(list(`""`, few)), review},
		"small numbers":                 {"/authorize", reviewWithSelector(list(`0`, few)), review},
		"empty objects":                 {"/authorize", reviewWithSelector(list(`{}`, few)), review},
		"members":                       {"/authorize", reviewWithSelector(`[],"x":{` + keys(few) + `}`), review},
		"in what nobody reads":          {"/authorize", `{"managedFields":` + list(`[1]`, few/2) + `}`, review},
		"audiences":                     {"/authenticate", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t","audiences":` + list(`""`, few) + `}}`, review},
		"a binding":                     {"/scheduler/bind", `{"PodName":"p","x":` + list(`1`, few) + `}`, review},
		"a pod":                         {"/scheduler/filter", extender(`{"x":`+list(`1`, object)+`}`, fit), "Pod: it has more than " + inObject},
		"a node":                        {"/scheduler/filter", extender(`{}`, fit+`,{"metadata":{"name":"b"},"x":`+list(`1`, object)+`}`), "Nodes.items[1]: it has more than " + inObject},
		"a member that nobody reads":    {"/scheduler/prioritize", `{"x":{` + keys(object) + `},"Pod":{},"NodeNames":[]}`, inObject},
		"all of a call":                 {"/scheduler/filter", extender(`{"x":`+list(`1`, object-100)+`}`, `{"x":`+list(`1`, object-100)+`},{"x":`+list(`1`, object-100)+`},{"x":`+list(`1`, object-100)+`}`), inCall},
		"names of nodes":                {"/scheduler/filter", `{"Pod":{},"NodeNames":` + list(`"a"`, call) + `}`, inCall},
		"victims":                       {"/scheduler/preempt", `{"Pod":{},"NodeNameToMetaVictims":{"n":{"Pods":` + list(`{"UID":"a"}`, call/2) + `}}}`, inCall},
		"the pod of a preemption":       {"/scheduler/preempt", `{"Pod":{"x":` + list(`1`, object) + `},"NodeNameToMetaVictims":{}}`, inObject},
		"a whole victim":                {"/scheduler/preempt", `{"Pod":{},"NodeNameToVictims":{"n":{"Pods":[{"metadata":{"uid":"a"},"x":` + list(`1`, object) + `}]}}}`, inObject},
		"a profile that does not exist": {"/scheduler/none/filter", extender(`{"x":`+list(`1`, object)+`}`, fit), inObject},
	} {
		t.Run(name, func(t *testing.T) {
			wantStatus(t, s.post(t, test.path, test.body), http.StatusRequestEntityTooLarge, test.message)
		})
	}
	for name, test := range map[string]struct{ path, body string }{
		"a review":                       {"/authorize", reviewWithSelector(list(`""`, few-20))},
		"a string full of commas":        {"/authorize", reviewWithSelector(`["` + strings.Repeat(",[{", few) + `"]`)},
		"a call with as many as may be":  {"/scheduler/filter", extender(`{"x":`+list(`1`, object-2)+`}`, `{"metadata":{"name":"b"},"x":`+list(`1`, object-4)+`}`)},
		"a call with commas in a string": {"/scheduler/filter", extender(`{"x":"`+strings.Repeat(",", call)+`"}`, fit)},
	} {
		t.Run(name, func(t *testing.T) {
			if w := s.post(t, test.path, test.body); w.Code != http.StatusOK {
				t.Errorf("code is %d: %s", w.Code, w.Body)
			}
		})
	}
	if got := s.metric(t, "verdict_request_memory_bytes"); got != 0 {
		t.Errorf("with nothing in flight %v bytes are taken", got)
	}
}

// TestBytesInFlightAreBounded: what exceeds them is refused at once, what is
// small is answered all the same, and everything is given back.
func TestBytesInFlightAreBounded(t *testing.T) {
	modules := []string{allowAlice, placementPolicy}
	s := newService(t, modules, inWholeCluster(newCluster(t, node("fit"))), func(o *handlers.Options) {
		o.BytesInFlight = 16 << 20 // 4 MiB for reviews, 12 for calls
	})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	// Bodies of 3 MiB that don't end: each takes as much.
	const size = 3 << 20
	for range 3 {
		slow(t, server, "/scheduler/filter", size, `{"Pod":{"x":"`+strings.Repeat("x", size-1000))
	}
	// No more than that either: while a buffer grows the old one and the new one count.
	eventually(t, func() bool {
		taken := s.metric(t, "verdict_request_memory_bytes", "kind", "scheduling")
		return taken > 3*size-3<<17 && taken < 3*size
	})

	large := `{"Pod":{"x":"` + strings.Repeat("x", size) + `"},"NodeNames":["fit"]}`
	wantStatus(t, s.post(t, "/scheduler/filter", large), http.StatusServiceUnavailable, "too many bytes in flight (server.maxBytesInFlight)")
	if got := s.metric(t, "verdict_requests_shed_total", "point", "scheduling"); got != 1 {
		t.Errorf("%v requests were counted as shed, want 1", got)
	}
	for path, body := range map[string]string{
		"/scheduler/filter": `{"Pod":{},"NodeNames":["fit"]}`,
		"/authorize":        reviewWithSelector(list(`"large, and another share"`, 5000)),
	} {
		if w := s.post(t, path, body); w.Code != http.StatusOK {
			t.Errorf("%s: code is %d: %s", path, w.Code, w.Body)
		}
	}
	server.CloseClientConnections()
	eventually(t, func() bool { return s.metric(t, "verdict_request_memory_bytes") == 0 })
	if w := s.post(t, "/scheduler/filter", large); w.Code != http.StatusOK {
		t.Errorf("with nothing else in flight the code is %d: %s", w.Code, w.Body)
	}
}

// TestWhatBodiesBecomeIsBounded: their values take more than their bytes.
func TestWhatBodiesBecomeIsBounded(t *testing.T) {
	s := newService(t, []string{allowAlice, placementPolicy}, inWholeCluster(newCluster(t, node("fit"))), func(o *handlers.Options) {
		o.BytesInFlight = 16 << 20
	})
	nodes := make([]string, 30_000)
	for i := range nodes {
		nodes[i] = `{"metadata":{"name":"n` + strconv.Itoa(i) + `"}}`
	}
	for name, test := range map[string]struct{ path, body string }{
		"values of a review": {"/authorize", reviewWithSelector(list(`""`, 19_000))},
		"values of a pod":    {"/scheduler/filter", `{"Pod":{"x":` + list(`0`, 90_000) + `},"NodeNames":["fit"]}`},
		"names":              {"/scheduler/filter", `{"Pod":{},"NodeNames":` + list(`"fit"`, 90_000) + `}`},
		"members":            {"/scheduler/filter", `{"Pod":{},"NodeNames":["fit"],` + keys(120_000) + `}`},
		"nodes":              {"/scheduler/prioritize", `{"Pod":{},"Nodes":{"items":[` + strings.Join(nodes, ",") + `]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			wantStatus(t, s.post(t, test.path, test.body), http.StatusServiceUnavailable, "too many bytes in flight")
			s.wantMetric(t, 0, "verdict_request_memory_bytes")
		})
	}
}

// TestAnAnnouncedBodyTakesNothing: memory is taken as bytes come.
func TestAnAnnouncedBodyTakesNothing(t *testing.T) {
	s := newService(t, []string{placementPolicy}, inWholeCluster(newCluster(t)), func(o *handlers.Options) { o.MaxInFlight = 10_000 })
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	before := heap()
	const callers = 20
	for range callers {
		slow(t, server, "/scheduler/filter", 64<<20, `{"Pod":`)
	}
	eventually(t, func() bool {
		return s.metric(t, "verdict_requests_in_flight", "point", "scheduling", "verb", "filter") == callers
	})
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d callers that announced 64 MiB and sent nothing take %d bytes", callers, grown)
	}
	s.wantMetric(t, 0, "verdict_request_memory_bytes")
}

// TestIndexingEndsInTime reads bodies that take longer than the caller waits.
func TestIndexingEndsInTime(t *testing.T) {
	s := newService(t, []string{placementPolicy}, inWholeCluster(newCluster(t)), func(o *handlers.Options) {
		o.SchedulingTimeout = time.Millisecond
		o.ObjectValues = 4_000_000
		o.BytesInFlight = 8 << 30
	})
	const many = 1_000_000
	for name, test := range map[string]struct{ path, body string }{
		"a pod":        {"/scheduler/filter", `{"Pod":{"x":` + list(`0`, many) + `},"NodeNames":[]}`},
		"a node":       {"/scheduler/filter", `{"Pod":{},"Nodes":{"items":[{"metadata":{"name":"a"},"x":{` + keys(many) + `}}]}}`},
		"names":        {"/scheduler/prioritize", `{"Pod":{},"NodeNames":` + list(`"a"`, many) + `}`},
		"members":      {"/scheduler/filter", `{"Pod":{},"NodeNames":[],` + keys(many) + `}`},
		"an unknown":   {"/scheduler/filter", `{"x":` + list(`[]`, many) + `}`},
		"a preemption": {"/scheduler/preempt", `{"Pod":{"x":` + list(`{}`, many) + `}}`},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			wantStatus(t, s.post(t, test.path, test.body), http.StatusServiceUnavailable, "no time left to read the request")
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// slow begins a request that does not end, and reads its answer.
func slow(t *testing.T, server *httptest.Server, path string, length int, body string) {
	t.Helper()
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if _, err := fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: verdict\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, length, body); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, bufio.NewReader(connection)) }()
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time")
		}
	}
}
