package handlers

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"mime"
	"net/http"
	"sync"
	"time"
)

const (
	// firstBuffer is the size of a new buffer for bodies, in bytes: most are smaller.
	firstBuffer = 4096
	// maxPooled is the largest buffer that is kept for the next call, in bytes:
	// beyond it are scheduler calls with whole nodes in large clusters.
	maxPooled = 32 << 20
	// maxPooledPart is the same for the parts of an answer.
	maxPooledPart = 1 << 20
)

// buffers are kept beside calls where they are not a call's own: *[]byte, by the
// number of bits in their size, so that a call takes none that is much larger
// than what it has received.
var buffers [32]sync.Pool

// readBody reads the whole body, JSON of at most bodyLimit bytes, within the
// call's deadline. It is false when the answer has been written.
func (e *endpoint) readBody(c *call) bool {
	r := c.request
	if !isJSON(r.Header) {
		writeStatus(c, http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
		return false
	}
	if r.ContentLength > e.bodyLimit {
		tooLarge(c, e.bodyLimit)
		return false
	}
	// A caller that sends slowly holds a place for no longer than it may wait. Where
	// the server itself gives up no later, that is seen to.
	bounded := e.ReadTimeout <= 0 || c.timeout < e.ReadTimeout
	if bounded {
		// Test recorders know no deadlines; every server does.
		_ = http.NewResponseController(c).SetReadDeadline(c.began.Add(c.timeout))
	}
	err := c.readAll(r.Body, r.ContentLength, e.bodyLimit)
	e.size.Observe(float64(len(c.body)))
	if errors.Is(err, errMemory) {
		c.refuse(err)
		return false
	}
	if err != nil {
		writeStatus(c, http.StatusBadRequest, "reading the body: the connection or the time ended before it was whole")
		return false
	}
	if int64(len(c.body)) > e.bodyLimit {
		tooLarge(c, e.bodyLimit)
		return false
	}
	if bounded {
		_ = http.NewResponseController(c).SetReadDeadline(time.Time{})
	}
	return true
}

func isJSON(header http.Header) bool {
	values := header["Content-Type"]
	if len(values) == 1 && values[0] == "application/json" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && mediaType == "application/json"
}

// readAll reads the body into the call's buffer, at most one byte more than
// limit, and takes the memory for it as it comes. length is what the caller
// announced, -1 for nothing: it bounds what is taken, and takes nothing.
func (c *call) readAll(from io.Reader, length, limit int64) error {
	// One byte more lets the end be seen without growing again.
	most := limit + 1
	if length >= 0 {
		most = min(length, limit) + 1
	}
	c.buffer = c.buffer[:0]
	if size := int64(cap(c.buffer)); size == 0 || size > c.endpoint.memory.own/2 {
		keepBuffer(c.buffer)
		c.buffer = make([]byte, 0, firstBuffer)
	}
	err := c.take(cap(c.buffer))
	for err == nil && int64(len(c.buffer)) <= limit {
		if len(c.buffer) == cap(c.buffer) {
			if err = c.grow(max(most, int64(len(c.buffer))+1)); err != nil {
				break
			}
		}
		room := min(int64(cap(c.buffer)), limit+1)
		var n int
		n, err = from.Read(c.buffer[len(c.buffer):room])
		c.buffer = c.buffer[:len(c.buffer)+n]
	}
	c.body = c.buffer
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// grow makes the buffer larger, at most twice or to most bytes.
func (c *call) grow(most int64) error {
	old := c.buffer
	size := int(min(2*int64(cap(old)), most))
	var larger []byte
	if kept, ok := buffersOf(size).Get().(*[]byte); ok && cap(*kept) >= size {
		larger = *kept
	}
	if larger == nil {
		larger = make([]byte, 0, size)
	}
	if err := c.take(cap(larger)); err != nil {
		return err
	}
	c.buffer = larger[:copy(larger[:len(old)], old)]
	c.give(int64(cap(old)))
	keepBuffer(old)
	return nil
}

// keepBuffer keeps a buffer that is no call's own for another call.
func keepBuffer(buffer []byte) {
	if cap(buffer) > firstBuffer && cap(buffer) <= maxPooled {
		buffer = emptied(buffer)
		buffersOf(cap(buffer)).Put(&buffer)
	}
}

func buffersOf(size int) *sync.Pool { return &buffers[min(bits.Len(uint(size)), len(buffers)-1)] }

// emptied is a buffer in which nothing of one request is found by the next.
func emptied(buffer []byte) []byte {
	clear(buffer)
	return buffer[:0]
}

func tooLarge(w http.ResponseWriter, limit int64) {
	writeStatus(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes, the limit set by server.limits", limit))
}
