package oidcprovider

import "github.com/zitadel/oidc/v3/example/server/storage"

// password is everybody's.
const password = "correct horse battery staple"

// people are who can log in. Their subject is "id-" and the username.
type people struct{}

// verified says of everybody whether their email address is verified.
var verified = map[string]bool{"alice": true, "bob": true, "carol": false}

// groups are the groups of a subject.
var groups = map[string][]string{
	"id-alice": {"team-payments", "dev"},
	"id-bob":   {"team-search"},
	"id-carol": {"team-payments"},
}

// GetUserByUsername implements storage.UserStore.
func (people) GetUserByUsername(name string) *storage.User {
	emailVerified, known := verified[name]
	if !known {
		return nil
	}
	return &storage.User{
		ID: "id-" + name, Username: name, Password: password,
		Email: name + "@example.com", EmailVerified: emailVerified,
	}
}

// GetUserByID implements storage.UserStore.
func (p people) GetUserByID(id string) *storage.User {
	if len(id) < len("id-") {
		return nil
	}
	return p.GetUserByUsername(id[len("id-"):])
}

// ExampleClientID implements storage.UserStore.
func (people) ExampleClientID() string { return "" }
