// Package generate makes the policies, the data and the requests that the
// benchmarks run on. The same seed makes the same bytes.
package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// hole stands in a document where every request is to differ: it is replaced
// by the request's number, written with as many digits.
const hole = "@@@@@@@@@@@@"

// Sample is one request body, or a family of bodies of equal length that
// differ in a number. It never changes and may be shared by goroutines.
type Sample struct {
	text  []byte
	holes []int
}

// newSample marshals document, in which hole marks what differs.
func newSample(document any) (Sample, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return Sample{}, fmt.Errorf("marshalling a request: %w", err)
	}
	s := Sample{text: text}
	for from := 0; ; {
		at := bytes.Index(text[from:], []byte(hole))
		if at < 0 {
			return s, nil
		}
		s.holes = append(s.holes, from+at)
		from += at + len(hole)
	}
}

// len is the length of a body in bytes, whatever its number.
func (s Sample) len() int { return len(s.text) }

// Unique says whether bodies with different numbers differ.
func (s Sample) Unique() bool { return len(s.holes) > 0 }

// append appends the body of request number n to buffer and returns it.
func (s Sample) append(buffer []byte, n uint64) []byte {
	start := len(buffer)
	buffer = append(buffer, s.text...)
	for _, at := range s.holes {
		digits := buffer[start+at : start+at+len(hole)]
		for i, rest := len(digits)-1, n; i >= 0; i-- {
			digits[i] = byte('0' + rest%10)
			rest /= 10
		}
	}
	return buffer
}

// Workload is a stream of requests to one endpoint.
type Workload struct {
	// Name is how reports call it.
	Name string
	// Describes it in a sentence without a full stop.
	About string
	// Path is the endpoint that Kubernetes' callers post to.
	Path string
	// Rule is the path below /v1/data at which OPA answers the same question.
	Rule string
	// Samples are asked in turn, over and over.
	Samples []Sample
}

// Body appends the body of request number n to buffer and returns it.
func (w *Workload) Body(buffer []byte, n uint64) []byte {
	return w.Samples[n%uint64(len(w.Samples))].append(buffer, n)
}

// MeanBytes is the mean length of a body.
func (w *Workload) MeanBytes() int {
	total := 0
	for _, s := range w.Samples {
		total += s.len()
	}
	return total / max(len(w.Samples), 1)
}
