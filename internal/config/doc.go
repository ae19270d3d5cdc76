// Package config is the Configuration kind: its types, its defaults, and a
// strict reader that reports every mistake in a file at once.
package config
