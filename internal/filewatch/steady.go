package filewatch

import (
	"errors"
	"io/fs"
	"time"
)

// Reading is repeated while the files change under it.
const (
	readAttempts = 6
	readPause    = 20 * time.Millisecond
)

// Steady calls read until it finds files in one state, which read tells as steady:
// up to six times, 20 milliseconds apart. It returns what the last call did. An
// error ends it, unless a file does not exist: that may be on its way back under
// the same name.
func Steady[T any](read func() (found T, steady bool, err error)) (found T, steady bool, err error) {
	for attempt := range readAttempts {
		if attempt > 0 {
			time.Sleep(readPause)
		}
		found, steady, err = read()
		if err == nil && steady || err != nil && !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return found, steady, err
}
