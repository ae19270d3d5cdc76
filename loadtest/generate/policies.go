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

// questions is what OPA's server is asked. Each rule evaluates what verdict
// evaluates and nothing else: asking for data.kubernetes.authorization would
// return, and so evaluate, every helper rule of the package. Tokens are looked
// up by their hash, as in a token file.
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

// Files are where the policies and the data of a run are.
type Files struct {
	Verdict   string // a folder for policy.directories
	OPA       string // a folder for `opa run`: the same, the library, the tokens and the questions
	TokenFile string // for authentication.sources
}

// WriteFiles writes the starter policies and the data of c below dir.
func WriteFiles(dir string, c *Company) (Files, error) {
	f := Files{
		Verdict:   filepath.Join(dir, "verdict"),
		OPA:       filepath.Join(dir, "opa"),
		TokenFile: filepath.Join(dir, "tokens.yaml"),
	}
	access, err := json.Marshal(map[string]any{"access": c.Access, "scheduling": map[string]any{"sharedNamespaces": []string{}}})
	if err != nil {
		return f, fmt.Errorf("marshalling data: %w", err)
	}
	type file struct {
		path string
		text []byte
	}
	shared := []file{{"data.json", access}, {"taints.rego", []byte(taintPolicy)}}
	for _, module := range builtin.Starter().Modules {
		shared = append(shared, file{strings.TrimPrefix(module.Path, "rego/"), module.Source})
	}

	byHash := map[string]Person{}
	for _, p := range c.People {
		p.Groups = p.Groups[:len(p.Groups)-1] // apiserver adds system:authenticated
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

	all := []file{{f.TokenFile, tokenFile}, {filepath.Join(f.OPA, "tokens", "data.json"), tokens}, {filepath.Join(f.OPA, "questions.rego"), []byte(questions)}}
	for _, module := range builtin.Library().Modules {
		all = append(all, file{filepath.Join(f.OPA, strings.TrimPrefix(module.Path, "rego/")), module.Source})
	}
	for _, s := range shared {
		all = append(all, file{filepath.Join(f.Verdict, s.path), s.text}, file{filepath.Join(f.OPA, s.path), s.text})
	}
	for _, each := range all {
		if err := os.MkdirAll(filepath.Dir(each.path), 0o700); err != nil {
			return f, fmt.Errorf("writing policies: %w", err)
		}
		if err := os.WriteFile(each.path, each.text, 0o600); err != nil {
			return f, fmt.Errorf("writing policies: %w", err)
		}
	}
	return f, nil
}
