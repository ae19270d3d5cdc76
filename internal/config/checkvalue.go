package config

import (
	"fmt"
	"net/url"
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

// aboveZero reports whether the size could be read and is above zero.
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

// positive reports whether the duration could be read and is above zero.
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
		c.add(path, "must not be negative, not %s: 0s turns it off", duration)
	}
}

// names checks a list: no item is empty, and no item is there twice.
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
			c.add(at, "%s is already given by %s: remove one of them", quote(name), item(path, earlier))
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

// url accepts "" and what tokens and keys may travel to and from; false says
// that a mistake was found.
func (c *checker) url(path, value string) bool {
	if value == "" || c.undecoded[path] {
		return true
	}
	parsed, err := url.Parse(value)
	switch {
	case err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http":
		c.add(path, "%s is not a URL: write https://HOST/PATH", quote(value))
	case parsed.User != nil:
		c.add(path, "must not hold a user or password")
	case parsed.Fragment != "":
		c.add(path, "%s has a fragment (#…), which is never sent: remove it", quote(value))
	case parsed.Scheme == "http" && !(address{host: parsed.Hostname()}).loopback():
		c.add(path, "%s would be called without encryption: use https; plain http is only for loopback addresses", quote(value))
	default:
		return true
	}
	return false
}
