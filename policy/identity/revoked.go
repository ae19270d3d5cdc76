package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/policy/yamlfile"
)

// Revoked lists what is no longer let in, whatever a source says of it. It is
// immutable. Policies see it as data.revoked. A nil Revoked lists nothing.
type Revoked struct {
	text []byte // the document as JSON
	// By subject, "jti" and digest; each maps the source that it is limited
	// to, "" for any, to the reason.
	subjects, jtis, tokens map[string]map[string]string
}

// revokedFile is the document, for decoding and its field names.
type revokedFile struct {
	Subjects []revokedSubject `json:"subjects"`
	JTIs     []revokedJTI     `json:"jtis"`
	Tokens   []revokedToken   `json:"tokens"`
}

type revokedSubject struct {
	Subject string `json:"subject"`
	Source  string `json:"source"`
	Reason  string `json:"reason"`
}

type revokedJTI struct {
	JTI    string `json:"jti"`
	Source string `json:"source"`
	Reason string `json:"reason"`
}

type revokedToken struct {
	SHA256 string `json:"sha256"`
	Reason string `json:"reason"`
}

// ParseRevoked reads a YAML (or JSON) document of this form, of which every part
// may be left out:
//
//	subjects:
//	  - subject: alice      # input.identity.subject
//	    source: corp        # the source that calls the subject so; any without it
//	    reason: has left
//	jtis:
//	  - jti: 3f1c           # the claim "jti" (RFC 7519 §4.1.7)
//	tokens:
//	  - sha256: 54574817387baa55fc8ff89052070891b05c8c0314346024f93fb6fbf4bcdc23
//
// It is strict: an unknown or repeated field is an error, and so is an entry
// that would revoke nothing. path is what errors call the document.
func ParseRevoked(path string, content []byte) (*Revoked, error) {
	wrap := func(err error) error { return fmt.Errorf("%s: %w", path, err) }
	if filepath.Ext(path) != ".json" {
		if err := yamlfile.CheckSingle(content); err != nil {
			return nil, wrap(err)
		}
	}
	text, err := yaml.YAMLToJSONStrict(content)
	if err != nil {
		return nil, wrap(err)
	}
	if strings.TrimSpace(string(text)) == "null" {
		// A file caught between truncation and writing looks like this, too.
		return nil, wrap(errors.New("is empty: write `subjects: []` where nothing is revoked"))
	}
	var file revokedFile
	if err := json.Unmarshal(text, &file, json.RejectUnknownMembers(true)); err != nil {
		return nil, wrap(revokedMistake(err))
	}
	r := &Revoked{
		text:     text,
		subjects: map[string]map[string]string{}, jtis: map[string]map[string]string{}, tokens: map[string]map[string]string{},
	}
	if err := r.take(&file); err != nil {
		return nil, wrap(err)
	}
	return r, nil
}

// take adds every entry of the file.
func (r *Revoked) take(file *revokedFile) error {
	for i, entry := range file.Subjects {
		if err := add(r.subjects, fmt.Sprintf("subjects[%d].subject", i), entry.Subject, entry.Source, entry.Reason); err != nil {
			return err
		}
	}
	for i, entry := range file.JTIs {
		if err := add(r.jtis, fmt.Sprintf("jtis[%d].jti", i), entry.JTI, entry.Source, entry.Reason); err != nil {
			return err
		}
	}
	for i, entry := range file.Tokens {
		digest := strings.ToLower(entry.SHA256)
		if raw, err := hex.DecodeString(digest); err != nil || len(raw) != len(Identity{}.TokenSHA256) {
			// It is not shown: it may be the token.
			return fmt.Errorf("tokens[%d].sha256: must be the SHA-256 of the token in 64 hexadecimal digits, and not the token itself", i)
		}
		if err := add(r.tokens, fmt.Sprintf("tokens[%d].sha256", i), digest, "", entry.Reason); err != nil {
			return err
		}
	}
	return nil
}

func add(list map[string]map[string]string, where, key, source, reason string) error {
	if key == "" {
		return fmt.Errorf("%s is missing or empty", where)
	}
	if list[key] == nil {
		list[key] = map[string]string{}
	}
	list[key][source] = reason
	return nil
}

// revokedMistake says what is wrong in the words of the document.
func revokedMistake(err error) error {
	semantic, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case !ok:
		return err
	case errors.Is(err, json.ErrUnknownName):
		return fmt.Errorf("%s: unknown field; the fields are subjects (subject, source, reason), jtis (jti, source, reason) and tokens (sha256, reason)", semantic.JSONPointer)
	default:
		return fmt.Errorf("%s: must not be %s; put it in quotes if it is meant as text", semantic.JSONPointer, article(semantic.JSONKind))
	}
}

func article(kind jsontext.Kind) string {
	switch kind {
	case jsontext.KindBeginArray:
		return "a list"
	case jsontext.KindBeginObject:
		return "fields"
	default:
		return "a " + kind.String()
	}
}

// Len is how many entries there are.
func (r *Revoked) Len() int {
	if r == nil {
		return 0
	}
	return len(r.subjects) + len(r.jtis) + len(r.tokens)
}

// JSON is the list as JSON text, as policies see it: data.revoked. It must not be
// changed.
func (r *Revoked) JSON() []byte { return r.text }

// ReasonFor says why the identity is revoked, "" when it is not. claim returns the
// identity's claim of a name where it is a string, else "".
func (r *Revoked) ReasonFor(identity *Identity, claim func(name string) string) string {
	if r == nil {
		return ""
	}
	if reason, ok := entryOf(r.subjects, identity.Subject, identity.Source); ok {
		return revocation("subject", reason)
	}
	if len(r.jtis) > 0 {
		// A claim of another type is no token identifier.
		if jti := claim("jti"); jti != "" {
			if reason, ok := entryOf(r.jtis, jti, identity.Source); ok {
				return revocation("jti", reason)
			}
		}
	}
	if len(r.tokens) > 0 {
		if reason, ok := entryOf(r.tokens, hex.EncodeToString(identity.TokenSHA256[:]), identity.Source); ok {
			return revocation("token", reason)
		}
	}
	return ""
}

func entryOf(list map[string]map[string]string, key, source string) (reason string, ok bool) {
	sources, ok := list[key]
	if !ok {
		return "", false
	}
	if reason, ok = sources[source]; !ok {
		reason, ok = sources[""]
	}
	return reason, ok
}

func revocation(what, reason string) string {
	if reason == "" {
		return "the " + what + " is revoked"
	}
	return "the " + what + " is revoked: " + reason
}
