package bench

import (
	"runtime"
	"time"

	"github.com/verdict-dev/verdict/loadtest/servers"
)

// Resident is a server's resident memory in bytes. Where the system does not
// tell, which Linux does, it is 0.
func Resident(server *servers.Process) (int64, error) {
	bytes, err := server.Resident()
	if err != nil && runtime.GOOS == "linux" {
		return 0, err
	}
	return bytes, nil
}

// ProcessorTime is how much processor time a server has used. Where the system
// does not tell, which Linux does, it is 0.
func ProcessorTime(server *servers.Process) (time.Duration, error) {
	used, err := server.CPU()
	if err != nil && runtime.GOOS == "linux" {
		return 0, err
	}
	return used, nil
}
