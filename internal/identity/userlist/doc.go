// Package userlist is what the sources share that list users with the digests of
// their tokens.
package userlist
