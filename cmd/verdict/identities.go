package main

import (
	"github.com/verdict-dev/verdict/internal/config"
)

// kindOfSource is what the configuration and input.identity.type call it.
func kindOfSource(source config.IdentitySource) string {
	switch {
	case source.JWT != nil:
		return "jwt"
	case source.Introspection != nil:
		return "introspection"
	case source.TokenFile != nil:
		return "tokenFile"
	case source.Secrets != nil:
		return "secrets"
	default:
		return "http"
	}
}
