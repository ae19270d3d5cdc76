package handlers

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
)

// endpoint is one path that Kubernetes posts to. Its steps come in this order,
// the cheapest refusals first: metrics, caller, requests in flight, deadline, body.
type endpoint struct {
	*handler
	point     policy.Point
	verb      string
	bodyLimit int64
	// valueLimit bounds the JSON values of a body; valueSetting is what sets it.
	valueLimit   int
	valueSetting string
	longest      time.Duration // a decision may take, whatever the caller says
	inFlight     *inFlight
	memory       *memory
	serve        func(c *call)
	// profile is that of a scheduling endpoint; its name in the metrics.
	profile string

	answered prometheus.Observer // duration of answers with status 200
	size     prometheus.Observer
	working  prometheus.Gauge
	// scheduled is the duration by profile, nil outside scheduling.
	scheduled prometheus.Observer
}

func (h *handler) newEndpoint(point policy.Point, verb string, limit bodyLimit, longest time.Duration, serve func(*call), places *inFlight) *endpoint {
	m := h.Metrics
	m.prepare(point, verb)
	return &endpoint{
		handler: h, point: point, verb: verb, longest: longest, inFlight: places, serve: serve,
		bodyLimit: limit.bytes, valueLimit: limit.values, valueSetting: limit.setting, memory: limit.memory,
		answered: m.durationOf(point, verb, http.StatusOK),
		size:     m.size.WithLabelValues(point.String(), verb),
		working:  m.inFlight.WithLabelValues(point.String(), verb),
	}
}

// bodyLimit bounds the bodies of an endpoint.
type bodyLimit struct {
	bytes   int64
	values  int
	setting string // of values, below server.limits
	memory  *memory
}

// call is one request being answered. It stands in for the ResponseWriter, to
// know the status.
type call struct {
	http.ResponseWriter
	request  *http.Request
	endpoint *endpoint
	began    time.Time
	timeout  time.Duration // from began
	ends     deadline
	body     []byte
	buffer   []byte    // behind body, or for an answer; used again
	scratch  [2][]byte // for parts of an answer; used again
	// taken is what the request takes of memory, in bytes, and shared the part of
	// it beyond its own.
	taken, shared int64
	code          int
	lost          bool // a write failed: the connection may still read the buffer
}

var calls = sync.Pool{New: func() any { return new(call) }}

// ServeHTTP implements http.Handler.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := calls.Get().(*call)
	*c = call{ResponseWriter: w, request: r, endpoint: e, began: time.Now(), buffer: c.buffer[:0], scratch: c.scratch}
	e.working.Inc()
	defer e.finish(c)

	if !e.admit(c) {
		return
	}
	if !e.inFlight.enter(c) {
		return
	}
	defer e.inFlight.leave()
	if e.deadline(c) && e.readBody(c) {
		e.serve(c)
	}
}

// finish counts the call. It runs also when the handler panicked: nothing was
// written then, and the recoverer outside answers.
func (e *endpoint) finish(c *call) {
	e.working.Dec()
	c.ends.release()
	took := time.Since(c.began).Seconds()
	if e.scheduled != nil {
		e.scheduled.Observe(took)
	}
	if c.code == http.StatusOK {
		e.answered.Observe(took)
	} else {
		if c.code == 0 {
			c.code = http.StatusServiceUnavailable
		}
		e.Metrics.durationOf(e.point, e.verb, c.code).Observe(took)
	}
	if c.code == http.StatusRequestEntityTooLarge {
		e.faults.Warn("a request is larger than server.limits allows, and was answered 413", zap.String("point", e.point.String()), zap.String("verb", e.verb),
			zap.Int64("announcedBytes", c.request.ContentLength), zap.Int("readBytes", len(c.body)))
	}
	if c.shared > 0 {
		e.memory.give(c.shared)
	}
	empty := call{}
	if !c.lost {
		if int64(cap(c.buffer)) <= e.memory.own/2 {
			empty.buffer = emptied(c.buffer)
		} else {
			keepBuffer(c.buffer)
		}
		for i, part := range c.scratch {
			if cap(part) <= maxPooledPart {
				empty.scratch[i] = emptied(part)
			}
		}
	}
	*c = empty
	calls.Put(c)
}

// WriteHeader implements http.ResponseWriter.
func (c *call) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter. A write to an HTTP/2 stream that ends
// meanwhile returns before the connection is done with the bytes.
func (c *call) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.lost = c.lost || err != nil
	return n, err
}

// forgetBody is for calls that wait and have read all they need of their body:
// a large one is not kept meanwhile.
func (c *call) forgetBody() {
	c.body = nil
	if cap(c.buffer) > firstBuffer {
		c.buffer = nil
	}
	c.give(c.taken)
}

// Unwrap is for http.ResponseController.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// context ends when the caller has gone or waits no longer. It is good until
// the call is finished.
func (c *call) context() context.Context {
	if c.ends.Context == nil {
		c.ends = deadline{Context: c.request.Context(), at: c.began.Add(c.timeout)}
	}
	return &c.ends
}

// sharedContext is context for several goroutines.
func (c *call) sharedContext() context.Context {
	ctx := c.context()
	ctx.Done()
	return ctx
}
