// Package certs provides the server's certificates: a development one made on
// first use, and a reloader for those that an operator gives.
package certs
