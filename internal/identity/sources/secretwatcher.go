package sources

import "context"

// What a Secret is known by that holds the digest of a token: this label with
// this value, and this type.
const (
	TokenSecretLabel      = "verdict.dev/token" //nolint:gosec // a name, and no credential
	TokenSecretLabelValue = "true"
	TokenSecretType       = "verdict.dev/token" //nolint:gosec // likewise
)

// TokenSecret is a Secret (v1) with the label, as it is in the cluster.
type TokenSecret struct {
	Namespace, Name      string
	UID, ResourceVersion string
	Type                 string
	// Data is what the Secret holds, decoded:
	//
	//	sha256     the SHA-256 of the token, in 64 hexadecimal digits
	//	username   the user's name
	//	uid        optional, as the rest
	//	groups     one a line
	//	audiences  one a line
	//	expires    RFC 3339
	//	extra      a JSON object of lists of strings
	//
	// Entry says what each means. One line end after a value is not part of it.
	Data map[string][]byte
}

// SecretWatcher follows the Secrets with the label in one namespace.
type SecretWatcher interface {
	// Run tells the receiver of every Secret and of each change, from one
	// goroutine, until ctx is done.
	Run(ctx context.Context, receiver SecretReceiver)
	// Ready returns nil once the receiver was told of every Secret there is,
	// else what is missing.
	Ready() error
	// Status says in a line, for people, how the contact with the API server is.
	Status() string
}

// SecretReceiver is told of Secrets.
type SecretReceiver interface {
	// SecretChanged is told of a Secret that is new, or not what it was. It may
	// keep what it is given.
	SecretChanged(secret TokenSecret)
	// SecretRemoved is told that a Secret is gone, or has no label any more.
	SecretRemoved(namespace, name string)
}
