package filewatch

import (
	"os"
	"time"
)

// SameState tells whether two infos are of one file that was not written in
// between, as far as infos tell.
func SameState(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime())
}

// Ambiguous tells whether the file was written so shortly before it was read, at
// the given time, that another writing may bear the same time: some file systems
// count in whole seconds.
func Ambiguous(info os.FileInfo, read time.Time) bool {
	return read.Sub(info.ModTime()).Abs() < 2*time.Second
}
