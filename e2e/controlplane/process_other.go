//go:build unix && !linux

package controlplane

import "syscall"

// attributes puts a child into a process group of its own, so that Ctrl-C in
// a terminal reaches only us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
