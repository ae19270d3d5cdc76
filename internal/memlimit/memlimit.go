// Package memlimit sets the memory limit of Go's garbage collector from the limit of
// the container. Without it the heap can grow to twice the memory in use, and the
// kernel kills a process that needs only half of its heap.
package memlimit

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// Set gives the garbage collector nine tenths of the limit of the process's
// control group, and returns the limit as a text for the log. The rest is for
// memory that Go does not count. It sets no limit where the environment has
// GOMEMLIMIT, where the control group has no limit, or where it cannot be read.
func Set() string {
	if value := os.Getenv("GOMEMLIMIT"); value != "" {
		return "GOMEMLIMIT is " + value
	}
	limit, err := of("/")
	switch {
	case err != nil:
		return "none: the memory limit of the control group cannot be read: " + err.Error()
	case limit == 0:
		return "none: the control group has no memory limit"
	}
	soft := limit / 10 * 9
	debug.SetMemoryLimit(soft)
	return fmt.Sprintf("%d bytes, nine tenths of the control group's %d", soft, limit)
}

// of is the memory limit in bytes of the control group (version 1 or 2) that this
// process is in, or the lowest limit of the groups around it; 0 without a limit.
// root is the folder that holds proc and sys, usually "/".
func of(root string) (int64, error) {
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if os.IsNotExist(err) {
		return 0, nil // not Linux
	}
	if err != nil {
		return 0, err
	}
	mounts, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return 0, err
	}
	lowest := int64(0)
	for _, h := range hierarchies(string(mounts)) {
		group, ok := h.group(string(groups))
		if !ok {
			continue
		}
		limit, err := h.limit(root, group)
		if err != nil {
			return 0, err
		}
		if limit > 0 && (lowest == 0 || limit < lowest) {
			lowest = limit
		}
	}
	return lowest, nil
}

// hierarchy is a mounted hierarchy of control groups that bounds memory.
type hierarchy struct {
	version int
	// top is the group that is mounted, and mount where.
	top, mount string
}

// hierarchies finds them in the form of /proc/self/mountinfo (proc(5)).
func hierarchies(mounts string) []hierarchy {
	var out []hierarchy
	for line := range strings.Lines(mounts) {
		where, what, ok := strings.Cut(line, " - ")
		fields, kind := strings.Fields(where), strings.Fields(what)
		const needed, kinds = 5, 3
		if !ok || len(fields) < needed || len(kind) < kinds {
			continue
		}
		h := hierarchy{top: unescaped(fields[3]), mount: unescaped(fields[4])}
		switch {
		case kind[0] == "cgroup2":
			h.version = 2
		case kind[0] == "cgroup" && contains(kind[2], "memory"):
			h.version = 1
		default:
			continue
		}
		out = append(out, h)
	}
	return out
}

// unescaped is a path of mountinfo, in which some characters are octal.
func unescaped(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

func contains(list, item string) bool {
	for each := range strings.SplitSeq(list, ",") {
		if each == item {
			return true
		}
	}
	return false
}

// group is that of this process in the hierarchy, in the form of
// /proc/self/cgroup: ID:CONTROLLERS:PATH.
func (h hierarchy) group(groups string) (string, bool) {
	for line := range strings.Lines(groups) {
		const parts = 3
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", parts)
		if len(fields) == parts && (h.version == 2 && fields[1] == "" || h.version == 1 && contains(fields[1], "memory")) {
			return fields[2], true
		}
	}
	return "", false
}

// limit is the lowest of the group and those around it, as far as they are
// mounted; 0 without one.
func (h hierarchy) limit(root, group string) (int64, error) {
	below, ok := strings.CutPrefix(group, strings.TrimSuffix(h.top, "/"))
	if !ok || below != "" && below[0] != '/' {
		below = "" // in a container the group is what is mounted
	}
	lowest := int64(0)
	for {
		limit, err := h.read(filepath.Join(root, h.mount, filepath.Clean("/"+below)))
		if err != nil {
			return 0, err
		}
		if limit > 0 && (lowest == 0 || limit < lowest) {
			lowest = limit
		}
		if below = strings.TrimSuffix(below, "/"); below == "" {
			return lowest, nil
		}
		below = below[:strings.LastIndexByte(below, '/')]
	}
}

// read is the limit in the files of one group.
func (h hierarchy) read(dir string) (int64, error) {
	file := filepath.Join(dir, "memory.max")
	if h.version == 1 {
		file = filepath.Join(dir, "memory.limit_in_bytes")
	}
	content, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return 0, nil // the outermost group has none
	}
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(content))
	if text == "max" {
		return 0, nil
	}
	limit, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	// Version 1 says "no limit" as the largest number of whole pages.
	if limit >= math.MaxInt64/2 {
		limit = 0
	}
	return limit, nil
}
