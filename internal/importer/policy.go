package importer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/verdict-dev/verdict/internal/importer/celrego"
	builtin "github.com/verdict-dev/verdict/rego"
)

// policy is the package of one source: the user that its claims are, and why a
// token is refused.
func (w *writer) policy(s *source) string {
	p := &policyWriter{writer: w, source: s, claims: map[string]bool{}}
	p.username()
	p.groups()
	p.uid()
	p.extra()
	p.claimRules()
	p.userRules()
	p.exact()

	var out strings.Builder
	fmt.Fprintf(&out, "%spackage issuers.%s\n\n", metadata("Tokens of "+s.path.String(), fmt.Sprintf("%s\nWritten by verdict import from %s.", s.of.Issuer.URL, oneLine(w.from))), s.identifier)
	if p.cel {
		out.WriteString("import data.lib.cel\n")
	}
	out.WriteString("import data.lib.oidc\n\n")
	out.WriteString(metadata("User", "The user that the claims are mapped to; undefined when a claim cannot be mapped."))
	out.WriteString("user := {\"username\": username, \"groups\": groups, \"uid\": uid, \"extra\": extra}\n\n")
	out.WriteString(strings.Join(p.rules, "\n"))
	out.WriteString("\n" + metadata("Claims", "The claims of a token of this source, and of no other."))
	fmt.Fprintf(&out, "claims := input.identity.claims if input.identity.source == %s\n", celrego.Quote(s.name))
	return out.String()
}

// policyWriter writes the rules of one source.
type policyWriter struct {
	*writer
	source    *source
	rules     []string
	claims    map[string]bool // read by expressions
	allClaims bool
	cel       bool
}

// metadata is the annotation of a rule.
func metadata(title, description string) string {
	var out strings.Builder
	out.WriteString("# METADATA\n# title: " + title + "\n# description: |\n")
	for line := range strings.SplitSeq(strings.TrimSpace(description), "\n") {
		out.WriteString(strings.TrimRight("#   "+printable(line), " ") + "\n")
	}
	return out.String()
}

// printable leaves out what would end a comment.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == '\u2028' || r == '\u2029' || r == '\u0085' || r == '\u007f' {
			return ' '
		}
		return r
	}, line)
}

func oneLine(text string) string { return strings.Join(strings.Fields(printable(text)), " ") }

func (p *policyWriter) add(title, description, rules string) {
	p.rules = append(p.rules, metadata(title, description)+rules)
}

// refuse adds a reason to refuse the token, which applies when the condition does.
func (p *policyWriter) refuse(reason, condition string) {
	p.refuseOf("claims", reason, condition)
}

func (p *policyWriter) refuseOf(of, reason, condition string) {
	p.rules = append(p.rules, fmt.Sprintf("refused contains %s if {\n\t%s\n\t%s\n}\n", celrego.Quote(reason), of, condition))
}

// translated adds the rules of an expression, and notes what they read.
func (p *policyWriter) translated(title string, at *field.Path, translate func(*celrego.Expression) (celrego.Rules, error), source string) bool {
	rules, err := translate(p.expressions.At(at))
	if err != nil {
		var problem *celrego.Error
		if !errors.As(err, &problem) {
			problem = &celrego.Error{Line: 1, Column: 1, Message: err.Error()}
		}
		p.problems = append(p.problems, field.Invalid(at, source, problem.Error()))
		return false
	}
	if rules.Never {
		p.warn(at, "never has a value that kube-apiserver accepts: kube-apiserver refuses all tokens, and so do the policies")
	}
	p.add(title, fmt.Sprintf("%s:\n%s", at, source), rules.Text)
	for _, claim := range rules.Claims {
		p.claims[claim] = true
	}
	p.allClaims = p.allClaims || rules.AllClaims
	p.cel = p.cel || rules.Library
	return true
}

func (p *policyWriter) username() {
	mapping, at := &p.source.of.ClaimMappings.Username, p.source.path.Child("claimMappings", "username")
	if mapping.Expression != "" {
		at = at.Child("expression")
		p.translated("Username", at, func(e *celrego.Expression) (celrego.Rules, error) { return e.Text("username", false) }, mapping.Expression)
		p.refuse(at.String()+" gives no username", "not username")
		return
	}
	at = at.Child("claim")
	term := fmt.Sprintf("oidc.text(claims, %s)", celrego.Quote(mapping.Claim))
	if mapping.Prefix != nil && *mapping.Prefix != "" {
		term = fmt.Sprintf("concat(\"\", [%s, %s])", celrego.Quote(*mapping.Prefix), term)
	}
	condition := ""
	if mapping.Claim == "email" {
		condition = " if oidc.email_verified(claims)"
	}
	p.add("Username", fmt.Sprintf("%s: %s", at, mapping.Claim), "username := "+term+condition+"\n")
	p.refuse(fmt.Sprintf("%s: the claim %s is not a username", at, mapping.Claim), "not username")
}

func (p *policyWriter) groups() {
	mapping, at := &p.source.of.ClaimMappings.Groups, p.source.path.Child("claimMappings", "groups")
	switch {
	case mapping.Expression != "":
		at = at.Child("expression")
		p.translated("Groups", at, func(e *celrego.Expression) (celrego.Rules, error) { return e.Texts("groups") }, mapping.Expression)
		p.refuse(at.String()+" gives no groups", "not groups")
	case mapping.Claim != "":
		at = at.Child("claim")
		prefix := ""
		if mapping.Prefix != nil {
			prefix = *mapping.Prefix
		}
		name := celrego.Quote(mapping.Claim)
		p.add("Groups", fmt.Sprintf("%s: %s", at, mapping.Claim), fmt.Sprintf("groups := oidc.groups(claims, %s, %s)\n", name, celrego.Quote(prefix)))
		p.refuse(fmt.Sprintf("%s: the claim %s is not a list of groups", at, mapping.Claim), "not groups")
		p.refuse(fmt.Sprintf("%s: the token has %s as a distributed claim, which is not resolved", at, mapping.Claim), fmt.Sprintf("oidc.distributed(claims, %s)", name))
		p.warn(at, "a token that has %s as a distributed claim (OpenID Connect Core §5.6.2) is refused; kube-apiserver asks the service that the token names", mapping.Claim)
	default:
		p.add("Groups", at.String()+" is not set.", "groups := []\n")
	}
}

func (p *policyWriter) uid() {
	mapping, at := &p.source.of.ClaimMappings.UID, p.source.path.Child("claimMappings", "uid")
	switch {
	case mapping.Expression != "":
		at = at.Child("expression")
		p.translated("UID", at, func(e *celrego.Expression) (celrego.Rules, error) { return e.Text("uid", true) }, mapping.Expression)
		p.refuse(at.String()+" gives no UID", "not uid")
	case mapping.Claim != "":
		at = at.Child("claim")
		p.add("UID", fmt.Sprintf("%s: %s", at, mapping.Claim), fmt.Sprintf("uid := oidc.text(claims, %s)\n", celrego.Quote(mapping.Claim)))
		p.refuse(fmt.Sprintf("%s: the claim %s is not a UID", at, mapping.Claim), "not uid")
	default:
		p.add("UID", at.String()+" is not set.", "uid := \"\"\n")
	}
}

func (p *policyWriter) extra() {
	lists := []string{celrego.Quote(credentialKey) + ": oidc.credential_id(claims)"}
	for i, mapping := range p.source.of.ClaimMappings.Extra {
		name := fmt.Sprintf("extra%d", i)
		at := p.source.path.Child("claimMappings", "extra").Index(i).Child("valueExpression")
		p.translated("Value of extra", at, func(e *celrego.Expression) (celrego.Rules, error) { return e.Texts(name) }, mapping.ValueExpression)
		p.refuse(at.String()+" gives no strings", "not "+name)
		lists = append(lists, celrego.Quote(mapping.Key)+": "+name)
	}
	p.add("Extra", "kube-apiserver adds the identifier of the token by itself.", "extra := oidc.present({\n\t"+strings.Join(lists, ",\n\t")+",\n})\n")
}

func (p *policyWriter) claimRules() {
	for i, rule := range p.source.of.ClaimValidationRules {
		if rule.Expression == "" {
			continue // a required claim of the source
		}
		at := p.source.path.Child("claimValidationRules").Index(i).Child("expression")
		p.rule(at, fmt.Sprintf("claims%d", i), "Claims are valid", rule.Expression, rule.Message, "claims")
	}
}

func (p *policyWriter) userRules() {
	for i, rule := range p.source.of.UserValidationRules {
		at := p.source.path.Child("userValidationRules").Index(i).Child("expression")
		p.rule(at, fmt.Sprintf("user%d", i), "The user is valid", rule.Expression, rule.Message, "user")
	}
}

// rule adds an expression that has to be true, and the reason where it is not.
func (p *policyWriter) rule(at *field.Path, name, title, expression, message, of string) {
	if !p.translated(title, at, func(e *celrego.Expression) (celrego.Rules, error) { return e.Holds(name) }, expression) {
		return
	}
	reason := at.String() + " is not true"
	if message != "" {
		reason = message
	}
	p.refuseOf(of, reason, "not "+name)
}

// exact refuses claims that expressions read and whose numbers are not the same in
// CEL and Rego.
func (p *policyWriter) exact() {
	if len(p.claims) == 0 && !p.allClaims {
		return
	}
	p.cel = true
	of := "claims"
	if !p.allClaims {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(p.claims)) {
			names = append(names, celrego.Quote(name))
		}
		of = "object.filter(claims, {" + strings.Join(names, ", ") + "})"
	}
	p.add("Numbers that CEL rounds", "CEL rounds a number of more than 15 digits, unless it is a whole number up to 2^53.",
		"refused contains \"a claim holds a number that CEL would round\" if {\n\tsome value in "+of+"\n\tnot cel.exact(value)\n}\n")
}

// entry is the package that Verdict asks.
func (w *writer) entry() string {
	var out strings.Builder
	// Without an annotation of the package: that is another file's, beside others.
	fmt.Fprintf(&out, "# Users of the issuers in %s, written by verdict import. Each identity source\n# has a package of its own.\npackage kubernetes.authentication\n\n", oneLine(w.from))
	for _, s := range w.sources {
		fmt.Fprintf(&out, "import data.issuers.%s\n", s.identifier)
	}
	for _, s := range w.sources {
		guard := "input.identity.source == " + celrego.Quote(s.name)
		fmt.Fprintf(&out, "\n%suser.username := %s.user.username if %s\n", metadata("Username", fmt.Sprintf("%s: %s", s.path, s.of.Issuer.URL)), s.identifier, guard)
		fmt.Fprintf(&out, "\nuser.uid := %s.user.uid if %s\n", s.identifier, guard)
		fmt.Fprintf(&out, "\nuser.groups contains group if {\n\t%s\n\tsome group in %s.user.groups\n}\n", guard, s.identifier)
		fmt.Fprintf(&out, "\nuser.extra[key] contains value if {\n\t%s\n\tsome key, values in %s.user.extra\n\tsome value in values\n}\n", guard, s.identifier)
		fmt.Fprintf(&out, "\ndeny contains reason if {\n\t%s\n\tsome reason in %s.refused\n}\n", guard, s.identifier)
	}
	return out.String()
}

// formatted is the text as opa fmt writes it.
func formatted(file File) (string, error) {
	text, err := format.SourceWithOpts(file.Name, []byte(file.Text), format.Opts{RegoVersion: ast.RegoV1})
	return string(text), err
}

// compiled reports what is wrong with the policies, as they stand beside the library.
func compiled(files []File) error {
	modules := map[string]*ast.Module{}
	add := func(name, text string) error {
		module, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1})
		if err == nil {
			modules[name] = module
		}
		return err
	}
	for _, module := range builtin.Library().Modules {
		if err := add(module.Path, string(module.Source)); err != nil {
			return err
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name, ".rego") {
			if err := add(file.Name, file.Text); err != nil {
				return err
			}
		}
	}
	compiler := ast.NewCompiler().WithStrict(true)
	if compiler.Compile(modules); compiler.Failed() {
		return compiler.Errors
	}
	return nil
}
