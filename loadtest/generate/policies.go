package generate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	builtin "github.com/verdict-dev/verdict/rego"
)

// taintPolicy joins the starter policies: it reads taints, which they don't.
const taintPolicy = `package kubernetes.scheduling

import data.lib.taints

reject contains "node(s) with a taint that the pod does not tolerate" if {
	found := object.get(input.node.spec, "taints", [])
	count(taints.untolerated(found, object.get(input.pod.spec, "tolerations", []))) > 0
}
`

// hostnamePolicy reads a label that no two nodes share, which makes each node a
// class of its own.
const hostnamePolicy = `package kubernetes.scheduling

reject contains "node(s) that the pod keeps off" if {
	input.node.metadata.labels["kubernetes.io/hostname"] == input.pod.metadata.annotations["example.com/keep-off"]
}
`

// issuerPolicy joins the starter policies: they name no user for a JWT, nor for the answer
// of an issuer about a token.
const issuerPolicy = `package kubernetes.authentication

user.username := input.identity.claims.email if _from_issuer

user.uid := input.identity.subject if _from_issuer

user.groups contains group if {
	_from_issuer
	some group in input.identity.claims.groups
}

_from_issuer if input.identity.type in {"jwt", "introspection"}
`

// HostnamePolicy joins PolicyFiles where each node is to be decided by itself.
func HostnamePolicy() File { return File{Path: "hostname.rego", Text: []byte(hostnamePolicy)} }

// questions is what OPA's server is asked. Each rule evaluates what verdict
// evaluates and nothing else: asking for data.kubernetes.authorization would
// return, and so evaluate, every helper rule of the package. Tokens are looked
// up by their hash, as in a token file, and JWTs are verified with the builtin
// for that.
const questions = `package loadtest

authorization := {
	"allow": data.kubernetes.authorization.allow,
	"deny": data.kubernetes.authorization.deny,
}

authentication := {"user": user, "deny": deny} if {
	entry := data.tokens[crypto.sha256(input.spec.token)]
	identity := {"source": "loadtest", "type": "tokenFile", "subject": entry.username, "claims": entry}
	user := data.kubernetes.authentication.user with input as {"identity": identity}
	deny := data.kubernetes.authentication.deny with input as {"identity": identity}
}

authentication_jwt := {"user": user, "deny": deny} if {
	[valid, _, claims] := io.jwt.decode_verify(input.spec.token, {"cert": data.issuer.keys, "iss": data.issuer.name, "aud": data.issuer.audience})
	valid
	identity := {"source": "issuer", "type": "jwt", "subject": claims.sub, "claims": claims}
	user := data.kubernetes.authentication.user with input as {"identity": identity}
	deny := data.kubernetes.authentication.deny with input as {"identity": identity}
}

filter[name] := {"reject": reject, "unresolvable": unresolvable} if {
	some node in input.Nodes.items
	name := node.metadata.name
	pair := {"pod": input.Pod, "node": node}
	reject := data.kubernetes.scheduling.reject with input as pair
	unresolvable := data.kubernetes.scheduling.unresolvable with input as pair
}

prioritize[name] := score if {
	some node in input.Nodes.items
	name := node.metadata.name
	score := data.kubernetes.scheduling.score with input as {"pod": input.Pod, "node": node}
}
`

// File is a policy or data file.
type File struct {
	Path string // relative to the folder of the policies
	Text []byte
	Data bool // JSON and not Rego
}

// PolicyFiles are the starter policies, the rules for taints and an issuer's users, and the
// data of c.
func PolicyFiles(c *Company) ([]File, error) {
	access, err := json.Marshal(map[string]any{"access": c.Access, "scheduling": map[string]any{"sharedNamespaces": []string{}}})
	if err != nil {
		return nil, fmt.Errorf("marshalling data: %w", err)
	}
	files := []File{{Path: DataFile, Text: access, Data: true}, {Path: "taints.rego", Text: []byte(taintPolicy)}, {Path: "issuer.rego", Text: []byte(issuerPolicy)}}
	for _, module := range builtin.Starter().Modules {
		files = append(files, File{Path: strings.TrimPrefix(module.Path, "rego/"), Text: module.Source})
	}
	return files, nil
}

// DataFile is the file of PolicyFiles that holds the data.
const DataFile = "data.json"

// Files are where the policies and the data of a run are.
type Files struct {
	Verdict   string // a folder for policy.directories
	OPA       string // a folder for `opa run`: the same, the library, the tokens and the questions
	TokenFile string // for authentication.sources, likewise
	JWKSFile  string
}

// WriteFiles writes the starter policies, the data of c and the keys of issuer
// below dir.
func WriteFiles(dir string, c *Company, issuer *Issuer) (Files, error) {
	f := Files{
		Verdict:   filepath.Join(dir, "verdict"),
		OPA:       filepath.Join(dir, "opa"),
		TokenFile: filepath.Join(dir, "tokens.yaml"),
		JWKSFile:  filepath.Join(dir, "jwks.json"),
	}
	shared, err := PolicyFiles(c)
	if err != nil {
		return f, err
	}

	byHash := map[string]Person{}
	for _, p := range c.People {
		p.Groups = p.ownGroups()
		byHash[p.SHA256] = p
	}
	entries := make([]Person, 0, len(byHash))
	for _, p := range c.People {
		entries = append(entries, byHash[p.SHA256])
	}
	tokenFile, err := json.Marshal(map[string]any{"tokens": entries}) // JSON is YAML
	if err != nil {
		return f, fmt.Errorf("marshalling tokens: %w", err)
	}
	tokens, err := json.Marshal(byHash)
	if err != nil {
		return f, fmt.Errorf("marshalling tokens: %w", err)
	}
	keys, err := issuer.JWKS()
	if err != nil {
		return f, err
	}
	trusted, err := json.Marshal(map[string]string{"name": IssuerURL, "audience": TokenAudience, "keys": string(keys)})
	if err != nil {
		return f, fmt.Errorf("marshalling keys: %w", err)
	}

	all := []File{
		{Path: f.TokenFile, Text: tokenFile},
		{Path: f.JWKSFile, Text: keys},
		{Path: filepath.Join(f.OPA, "issuer", "data.json"), Text: trusted},
		{Path: filepath.Join(f.OPA, "tokens", "data.json"), Text: tokens},
		{Path: filepath.Join(f.OPA, "questions.rego"), Text: []byte(questions)},
	}
	for _, module := range builtin.Library().Modules {
		all = append(all, File{Path: filepath.Join(f.OPA, strings.TrimPrefix(module.Path, "rego/")), Text: module.Source})
	}
	for _, s := range shared {
		all = append(all, File{Path: filepath.Join(f.Verdict, s.Path), Text: s.Text}, File{Path: filepath.Join(f.OPA, s.Path), Text: s.Text})
	}
	for _, each := range all {
		if err := os.MkdirAll(filepath.Dir(each.Path), 0o700); err != nil {
			return f, fmt.Errorf("writing policies: %w", err)
		}
		if err := os.WriteFile(each.Path, each.Text, 0o600); err != nil {
			return f, fmt.Errorf("writing policies: %w", err)
		}
	}
	return f, nil
}

// MorePolicyFiles are so many small policies, as teams add them.
func MorePolicyFiles(count int) []File {
	files := make([]File, count)
	for i := range files {
		files[i] = File{Path: fmt.Sprintf("more/freeze_%04d.rego", i), Text: fmt.Appendf(nil, `package kubernetes.authorization

deny contains "freeze %[1]d: nothing is deleted here" if {
	input.spec.resourceAttributes.namespace == "frozen-%04[1]d"
	input.spec.resourceAttributes.verb in {"delete", "deletecollection"}
}
`, i)}
	}
	return files
}
