package handlers

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// deadline gives the request the time its caller will wait (?timeout=, a Go
// duration, as apiserver's clients append it), at most longest. It is false
// when the answer has been written.
func (e *endpoint) deadline(c *call) bool {
	c.timeout = e.longest
	asked := timeoutOf(c.request)
	if asked == "" {
		return true
	}
	d, err := time.ParseDuration(asked)
	if err != nil || d <= 0 {
		writeStatus(c, http.StatusBadRequest, "timeout: "+printable(asked)+" is not a positive duration such as 10s")
		return false
	}
	c.timeout = min(d, e.longest)
	return true
}

func timeoutOf(r *http.Request) string {
	query := r.URL.RawQuery
	if query == "" {
		return ""
	}
	if alone, ok := strings.CutPrefix(query, "timeout="); ok && !strings.ContainsAny(alone, "&%+;=") {
		return alone
	}
	return r.URL.Query().Get("timeout")
}

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
	// A caller that dribbles holds a slot for no longer than it may wait. Where
	// the server itself gives up no later, that is seen to.
	bounded := e.ReadTimeout <= 0 || c.timeout < e.ReadTimeout
	if bounded {
		// Test recorders know no deadlines; every server does.
		_ = http.NewResponseController(c).SetReadDeadline(c.began.Add(c.timeout))
	}
	var err error
	c.body, err = readAll(r.Body, c.buffer, r.ContentLength, e.bodyLimit)
	c.buffer = c.body
	e.size.Observe(float64(len(c.body)))
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

// firstBuffer is the size of a new buffer for bodies, in bytes: most are smaller.
const firstBuffer = 4096

// readAll reads into buffer, at most one byte more than limit. length is what
// the caller announced, -1 for nothing.
func readAll(from io.Reader, buffer []byte, length, limit int64) ([]byte, error) {
	// One byte more lets the end be seen without growing again.
	buffer = slices.Grow(buffer[:0], int(max(length+1, firstBuffer)))
	for int64(len(buffer)) <= limit {
		if len(buffer) == cap(buffer) {
			buffer = slices.Grow(buffer, len(buffer))
		}
		room := min(int64(cap(buffer)), limit+1)
		n, err := from.Read(buffer[len(buffer):room])
		buffer = buffer[:len(buffer)+n]
		if err == io.EOF {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
	}
	return buffer, nil
}

func tooLarge(w http.ResponseWriter, limit int64) {
	writeStatus(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes, the limit set by server.limits", limit))
}
