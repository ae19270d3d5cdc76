//go:build unix

package certs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock waits until no other process, nor other call in this one, holds the file.
// The system lets go of it when a process dies.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		file.Close()
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	// Closing lets go of the lock. The file stays: removing it would let two
	// processes lock two files of the same name.
	return func() { file.Close() }, nil
}
