package jwt

// In the program OPA takes away the bounds on RSA keys of the library that reads
// JWKs. The bounds of this package, which are named in errors, are met first then.
import _ "github.com/open-policy-agent/opa/v1/topdown"
