package controlplane

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
)

// bindAttempts is how often a server is tried on other ports when another process
// took the one chosen for it in between.
const bindAttempts = 5

// FreeAddress returns a loopback address that no process listens on. Ports come
// from below the range the kernel hands to outgoing connections: a server
// that is restarted later on the same port does not find it taken by one.
func FreeAddress() (string, error) {
	const lowest = 20000
	highest := ephemeralStart()
	if highest <= lowest {
		return kernelAddress()
	}
	for range 200 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+rand.IntN(highest-lowest)))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		_ = listener.Close()
		return address, nil
	}
	return "", fmt.Errorf("no free loopback port between %d and %d", lowest, highest)
}

func kernelAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free loopback port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// ephemeralStart is the first port of the kernel's range for outgoing
// connections; Linux's default where it cannot be read.
func ephemeralStart() int {
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 32768
	}
	fields := strings.Fields(string(data))
	if len(fields) == 0 {
		return 32768
	}
	first, err := strconv.Atoi(fields[0])
	if err != nil {
		return 32768
	}
	return first
}

// addressTaken reports whether a server's log says that its port was not free.
func addressTaken(process *Process) bool {
	return !process.Running() && strings.Contains(process.Log(), "address already in use")
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
