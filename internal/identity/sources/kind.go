package sources

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy/identity"
)

// Kind is a kind of identity source.
type Kind struct {
	// Name is what the configuration and input.identity.type call it.
	Name string
	// Config returns a configuration of a source of the kind, with the defaults.
	Config func() Config
	// Example is an identity as a source of the kind gives it: what input.identity
	// looks like.
	Example func() identity.Identity
}

// Config is what the configuration says of one source: a pointer to a struct whose
// fields with a yaml tag are read from the file.
type Config interface {
	// Check reports what is wrong with values that were read, and resolves the
	// paths of files. What only New can tell, New reports.
	Check(c Checker)
	// New makes the source called name, and reads the files that it needs. No
	// other host is asked.
	New(ctx context.Context, name string, site *Site) (*Made, error)
}

// Checker reports mistakes in the configuration of one source. A path is relative
// to that of the source's kind, such as "tokens.prefixes[0]"; "" is the kind
// itself.
type Checker interface {
	// Add reports a mistake.
	Add(path, format string, args ...any)
	// Readable is false where a value could not be decoded, so that it holds its
	// default, and the mistake was reported.
	Readable(path string) bool
	// Given is true where the file has the path.
	Given(path string) bool
	// Names checks a list of which each item says something, once.
	Names(path string, names []string)
	// OneOf checks that the value is a known one.
	OneOf(path, value string, known []string)
	// URL accepts "" and the URLs that tokens and keys may be sent to and read
	// from; false says that it reported a mistake.
	URL(path, value string) bool
	// File checks that a file exists, and makes its path absolute; "" is none.
	File(path string, file *string)
	// Positive and NotNegative check a duration.
	Positive(path string, duration time.Duration)
	NotNegative(path string, duration time.Duration)
	// HasCluster is true when the Kubernetes API is configured.
	HasCluster() bool
}

// Site is what sources get of the program.
type Site struct {
	Metrics *Metrics
	Log     *zap.Logger
	// FileRead is told of each reading of a changed file: what kind of file it is,
	// whose, and why it is not in use; nil when it is. It is called from several
	// goroutines.
	FileRead func(kind, name string, err error)
	// Secrets follows the Secrets of a namespace.
	Secrets func(namespace string, onError func(error)) (SecretWatcher, error)
}

// Made is a source that was made, and what belongs to it.
type Made struct {
	Source Source
	// Run keep the source up to date, each until its context is done.
	Run []func(ctx context.Context)
	// Status are lines for people, "" where there is nothing to say.
	Status []func() string
}

// WatchCallbacks returns the callbacks of a watcher of the source's files.
func (s *Site) WatchCallbacks(kind, name string) (onReload func(), onError func(error)) {
	return func() { s.FileRead(kind, name, nil) }, func(err error) { s.FileRead(kind, name, err) }
}

// Named is the log with the name of a source.
func (s *Site) Named(name string) *zap.Logger { return s.Log.With(zap.String("source", name)) }

// ExampleExpires is when the tokens of examples expire.
func ExampleExpires() time.Time { return time.Date(2030, 12, 31, 23, 59, 59, 0, time.UTC) }
