package handlers

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
)

// The bounds that Options has where a field is 0.
const (
	DefaultReviewValues     = 20_000
	DefaultSchedulingValues = 4_000_000
	DefaultObjectValues     = 100_000
	DefaultBytesInFlight    = 512 << 20
)

// What parts of a request take, in bytes.
const (
	// ownBytes are each request's own, which the others can't take: an ordinary
	// review takes a tenth of it.
	ownBytes = 128 << 10
	// ownCallBytes is the same for an extender call: each verb of each profile has
	// places of its own, so that many more may be in flight.
	ownCallBytes = 16 << 10
	// indexedValue is for a JSON value in the index of a document.
	indexedValue = 24
	// decodedValue is for one as policies see it: an object with one member is the
	// largest.
	decodedValue = 256
	// listedNode is for a node in a call, or the name of one: where it is, what is
	// decided of it, and its place in the answer.
	listedNode = 512
	// listedMember is for a member of the outermost objects of a call.
	listedMember = 128
)

// memory bounds what the requests in flight of some endpoints may take together,
// beyond what is each one's own: their bodies as they are read, and what becomes
// of them. It is estimated before it is taken, and rather too high.
type memory struct {
	most, own int64
	now       atomic.Int64
}

func newMemory(most, own int64) *memory { return &memory{most: most, own: own} }

func (m *memory) take(bytes int64) bool {
	if m.now.Add(bytes) <= m.most {
		return true
	}
	m.now.Add(-bytes)
	return false
}

func (m *memory) give(bytes int64) { m.now.Add(-bytes) }

// errMemory is answered with a plain 503.
var errMemory = errors.New("too many bytes in flight (server.maxBytesInFlight)")

// take counts bytes that the call is about to take. The error is errMemory. A nil
// call has no bound.
func (c *call) take(bytes int) error {
	if c == nil {
		return nil
	}
	c.taken += int64(bytes)
	if more := c.taken - c.endpoint.memory.own - c.shared; more > 0 {
		if !c.endpoint.memory.take(more) {
			c.taken -= int64(bytes)
			return errMemory
		}
		c.shared += more
	}
	return nil
}

// give takes back a part of what was taken.
func (c *call) give(bytes int64) {
	c.taken -= bytes
	if less := c.shared - max(c.taken-c.endpoint.memory.own, 0); less > 0 {
		c.shared -= less
		c.endpoint.memory.give(less)
	}
}

// valuesError is answered with 413.
type valuesError struct {
	what  string
	most  int
	limit string
}

// Error implements error.
func (e *valuesError) Error() string {
	return fmt.Sprintf("%s has more than %d JSON values, the limit set by server.limits.%s", e.what, e.most, e.limit)
}

// index prepares the indexing of the whole body, of which no more than a part is
// decoded: it counts its values and takes what they take. The error is for refuse.
func (c *call) index(value int) error {
	values, err := c.values()
	if err != nil {
		return err
	}
	// Strings are copied when they are decoded, and as parts of keys.
	return c.take(2*len(c.body) + values*value)
}

// values is the number of JSON values in the body, or a little more.
func (c *call) values() (int, error) {
	most := c.endpoint.valueLimit
	values, err := document.MostValues(c.context(), c.body)
	if err == nil && values > most {
		values, err = document.CountValues(c.context(), c.body)
	}
	if err == nil && values > most {
		err = &valuesError{"the body", most, c.endpoint.valueSetting}
	}
	return values, err
}

// objectLimit is the most values that one object in a call may have. A nil call
// has no bound.
func (c *call) objectLimit() int {
	if c == nil {
		return math.MaxInt
	}
	return c.endpoint.ObjectValues
}

// checkObject checks how many values an object in a call has.
func (c *call) checkObject(values int) error {
	if most := c.objectLimit(); values > most {
		return &valuesError{"it", most, "objectValues"}
	}
	return nil
}

// until is how long the caller of the call waits; nil without one.
func (c *call) until() document.Until {
	if c == nil {
		return nil
	}
	return c.context()
}

// refuse answers a call whose body cannot be read.
func (c *call) refuse(err error) {
	e := c.endpoint
	switch {
	case errors.Is(err, errMemory):
		e.Metrics.shed.WithLabelValues(e.point.String(), e.verb).Inc()
		writeStatus(c, http.StatusServiceUnavailable, errMemory.Error())
	case errors.Is(err, policy.ErrTimeout):
		e.failed(e.point, e.verb, err)
		writeStatus(c, http.StatusServiceUnavailable, "no time left to read the request")
	default:
		if _, many := errors.AsType[*valuesError](err); many {
			e.faults.Warn("request refused: too many values", zap.String("point", e.point.String()), zap.String("verb", e.verb), zap.Error(err))
			writeStatus(c, http.StatusRequestEntityTooLarge, err.Error())
			return
		}
		writeStatus(c, http.StatusBadRequest, err.Error())
	}
}
