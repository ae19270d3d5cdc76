package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (c *checker) address(path, value string) {
	if c.undecoded[path] {
		return
	}
	if _, err := parseAddress(value); err != nil {
		c.add(path, "%s", err)
	}
}

// aboveZero tells whether the size could be read and is above zero.
func (c *checker) aboveZero(path string, size int64) bool {
	if c.undecoded[path] {
		return false
	}
	if size <= 0 {
		c.add(path, "must be above 0 bytes, not %d", size)
		return false
	}
	return true
}

// positive tells whether the duration could be read and is above zero.
func (c *checker) positive(path string, duration time.Duration) bool {
	if c.undecoded[path] {
		return false
	}
	if duration <= 0 {
		c.add(path, "must be above 0s, not %s", duration)
		return false
	}
	return true
}

func (c *checker) notNegative(path string, duration time.Duration) {
	if !c.undecoded[path] && duration < 0 {
		c.add(path, "must not be negative, as %s is: 0s turns it off", duration)
	}
}

// names checks a list of which each item says something, once.
func (c *checker) names(path string, names []string) {
	first := make(map[string]int, len(names))
	for i, name := range names {
		at := item(path, i)
		if c.undecoded[at] {
			continue
		}
		earlier, twice := first[name]
		switch {
		case name == "":
			c.add(at, "is empty: write a value, or remove the item")
		case strings.TrimSpace(name) != name:
			c.add(at, "%s begins or ends with a space: remove it", quote(name))
		case twice:
			c.add(at, "%s is given by %s already: remove one of them", quote(name), item(path, earlier))
		default:
			first[name] = i
		}
	}
}

func oneOf[T ~string](c *checker, path string, value T, known ...T) {
	if c.undecoded[path] || slices.Contains(known, value) {
		return
	}
	names := make([]string, len(known))
	for i := range known {
		names[i] = string(known[i])
	}
	c.add(path, "%s is not one of %s", quote(string(value)), strings.Join(names, ", "))
}

func item(path string, index int) string {
	return fmt.Sprintf("%s[%d]", path, index)
}
