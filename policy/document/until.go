package document

import (
	"fmt"
	"runtime"
)

// Until is how long a caller waits. A context is one: its Err is not nil once
// the caller no longer waits.
type Until interface{ Err() error }

// pause lets other goroutines run at every 1024th value, and checks whether the caller
// still waits: documents have up to millions of values, and other requests must not
// wait until all of them are read.
func pause(value int, until Until) error {
	const every = 1024
	if value%every != every-1 {
		return nil
	}
	runtime.Gosched()
	if until == nil || until.Err() == nil {
		return nil
	}
	return fmt.Errorf("reading a document of at least %d values: %w", value+1, ErrTimeout)
}

// blockSize is how many bytes of a text are read between two checks of the deadline.
const blockSize = 64 << 10

// blocks calls visit for one block of a text after the other.
func blocks(until Until, text []byte, visit func(block []byte)) error {
	for at := 0; at < len(text); at += blockSize {
		visit(text[at:min(at+blockSize, len(text))])
		if err := pauseAfter(until, at+blockSize, len(text)); err != nil {
			return err
		}
	}
	return nil
}

// pauseAfter is pause after a block of a text of length bytes, unless passed is
// all of it.
func pauseAfter(until Until, passed, length int) error {
	if passed >= length || passed < blockSize {
		return nil
	}
	runtime.Gosched()
	if until == nil || until.Err() == nil {
		return nil
	}
	return fmt.Errorf("reading a document of %d bytes: %w", length, ErrTimeout)
}
