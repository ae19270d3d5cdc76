// Package oidcprovider runs an OpenID Connect provider, that of zitadel/oidc, on
// a loopback address. What tests need and the library's example lacks is here:
// groups in ID tokens, signing keys that rotate, and a provider that is stopped
// and started again as the same one.
package oidcprovider
