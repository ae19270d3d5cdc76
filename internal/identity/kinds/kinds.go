// Package kinds is the table of the kinds of identity source.
package kinds

import (
	"github.com/verdict-dev/verdict/internal/identity/httpsource"
	"github.com/verdict-dev/verdict/internal/identity/introspection"
	"github.com/verdict-dev/verdict/internal/identity/jwt"
	"github.com/verdict-dev/verdict/internal/identity/secrets"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/tokenfile"
)

// All are the kinds of identity source, in the order in which messages list them.
// A kind is a package, and a row here.
func All() []sources.Kind {
	return []sources.Kind{jwt.Kind(), introspection.Kind(), tokenfile.Kind(), secrets.Kind(), httpsource.Kind()}
}
