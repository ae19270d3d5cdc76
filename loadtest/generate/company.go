package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

// Grant is one entry of a role, as the starter policies read it.
type Grant struct {
	Verbs     []string `json:"verbs"`
	Groups    []string `json:"groups"`
	Resources []string `json:"resources"`
}

// Binding gives a role in namespaces; "*" is all of them.
type Binding struct {
	Role       string   `json:"role"`
	Namespaces []string `json:"namespaces"`
}

// Trusted are the users and groups that a guard rail lets through.
type Trusted struct {
	Users  []string `json:"users"`
	Groups []string `json:"groups"`
}

// Access is what the starter policy for authorization finds in data.access.
type Access struct {
	Roles      map[string][]Grant   `json:"roles"`
	Users      map[string][]Binding `json:"users"`
	Groups     map[string][]Binding `json:"groups"`
	GuardRails map[string]Trusted   `json:"guardRails"`
}

// Person is one user with a token.
type Person struct {
	Token  string   `json:"-"`
	SHA256 string   `json:"sha256"`
	Name   string   `json:"username"`
	UID    string   `json:"uid"`
	Groups []string `json:"groups"`
}

// ownGroups are the person's without the one that the API server adds.
func (p Person) ownGroups() []string { return p.Groups[:len(p.Groups)-1] }

// Size says how large a company is.
type Size struct {
	Users      int // with a token each
	Bindings   int // in all, half of them cluster-wide
	Namespaces int
}

// Company is who there is and what they may.
type Company struct {
	People     []Person
	Namespaces []string
	Access     Access
}

// roleCount is large enough for most roles to have a member and small enough
// for them to be shared, as ClusterRoles are.
const roleCount = 40

// perSubject is the most bindings that one user or group has.
const perSubject = 8

// groupsPerPerson is what an identity provider of a middling company sends.
const groupsPerPerson = 4

// NewCompany makes a company of this size from seed. Bindings go half to users
// and half to groups, of which there are as many as it takes.
func NewCompany(size Size, seed uint64) (*Company, error) {
	if size.Users < 1 || size.Namespaces < 1 || size.Bindings < 2*perSubject {
		return nil, fmt.Errorf("a company needs users, namespaces and at least %d bindings, not %+v", 2*perSubject, size)
	}
	if size.Bindings/2 > size.Users*perSubject {
		return nil, fmt.Errorf("%d bindings are too many for %d users with %d each", size.Bindings/2, size.Users, perSubject)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	c := &Company{Access: Access{
		Roles:      map[string][]Grant{},
		Users:      map[string][]Binding{},
		Groups:     map[string][]Binding{},
		GuardRails: map[string]Trusted{"kubeSystem": {Groups: []string{"platform-oncall"}}},
	}}
	for i := range size.Namespaces {
		c.Namespaces = append(c.Namespaces, fmt.Sprintf("team-%03d", i))
	}
	for i := range roleCount {
		c.Access.Roles[roleName(i)] = grants(random)
	}

	var groups []string
	bindings := size.Bindings / 2
	for given := 0; given < bindings; {
		name := fmt.Sprintf("group-%05d", len(groups))
		groups = append(groups, name)
		count := min(1+random.IntN(perSubject), bindings-given)
		for range count {
			c.Access.Groups[name] = append(c.Access.Groups[name], c.binding(random, given))
			given++
		}
	}
	for i := range size.Users {
		p := Person{
			Name:  fmt.Sprintf("user-%05d@example.com", i),
			UID:   fmt.Sprintf("%08d-0000-4000-8000-%012d", i, i),
			Token: fmt.Sprintf("loadtest-%d-%016x%016x", i, random.Uint64(), random.Uint64()),
		}
		sum := sha256.Sum256([]byte(p.Token))
		p.SHA256 = hex.EncodeToString(sum[:])
		for range groupsPerPerson {
			p.Groups = append(p.Groups, groups[random.IntN(len(groups))])
		}
		p.Groups = append(p.Groups, "system:authenticated")
		c.People = append(c.People, p)
	}
	for given := range size.Bindings - bindings {
		name := c.People[given%len(c.People)].Name
		c.Access.Users[name] = append(c.Access.Users[name], c.binding(random, given))
	}
	return c, nil
}

// binding makes binding number n; every second one is cluster-wide.
func (c *Company) binding(random *rand.Rand, n int) Binding {
	namespaces := []string{"*"}
	if n%2 == 0 {
		namespaces = []string{c.Namespaces[random.IntN(len(c.Namespaces))]}
	}
	return Binding{Role: roleName(random.IntN(roleCount)), Namespaces: namespaces}
}

func roleName(i int) string { return fmt.Sprintf("role-%02d", i) }

// kinds are what requests ask for, the most asked first.
var kinds = []struct{ group, resource string }{
	{"", "pods"},
	{"", "configmaps"},
	{"coordination.k8s.io", "leases"},
	{"", "endpoints"},
	{"", "services"},
	{"", "secrets"},
	{"apps", "deployments"},
	{"apps", "replicasets"},
	{"", "nodes"},
	{"", "events"},
	{"batch", "jobs"},
	{"discovery.k8s.io", "endpointslices"},
	{"apps", "statefulsets"},
	{"networking.k8s.io", "ingresses"},
	{"", "persistentvolumeclaims"},
	{"batch", "cronjobs"},
	{"apps", "daemonsets"},
	{"networking.k8s.io", "networkpolicies"},
	{"autoscaling", "horizontalpodautoscalers"},
	{"policy", "poddisruptionbudgets"},
}

// verbs likewise.
var verbs = []string{"get", "list", "watch", "update", "create", "patch", "delete"}

// grants makes a role of one to four grants, as ClusterRoles have.
func grants(random *rand.Rand) []Grant {
	var made []Grant
	for range 1 + random.IntN(4) {
		g := Grant{Verbs: verbs[:1+random.IntN(len(verbs))]}
		kind := kinds[random.IntN(len(kinds))]
		g.Groups = []string{kind.group}
		for _, other := range kinds {
			if other.group == kind.group && random.IntN(2) == 0 {
				g.Resources = append(g.Resources, other.resource)
			}
		}
		if len(g.Resources) == 0 {
			g.Resources = []string{kind.resource}
		}
		made = append(made, g)
	}
	return made
}
