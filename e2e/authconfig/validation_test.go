package authconfig

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
)

// place is the field at the beginning of a line of what verdict import says.
var place = regexp.MustCompile(`(?m)(?:^|\.yaml: )((?:jwt|anonymous)[^:\s]*): (?:Invalid|Required|Duplicate|Too many)`)

// places are the fields that verdict import refuses, sorted.
func places(refusal string) []string {
	var out []string
	for _, m := range place.FindAllStringSubmatch(refusal, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return out
}

// untranslated are cases of kube-apiserver's table that it takes and the import
// refuses, and why.
var untranslated = map[string]string{
	"valid authentication configuration that uses verified email via claim validation rule": "the username is a map, which is never one",
}

// TestValidation holds what verdict import refuses to kube-apiserver's own table.
func TestValidation(t *testing.T) {
	program := verdict(t.Context(), t)
	const call = "got := ValidateAuthenticationConfiguration(authenticationcel.NewDefaultCompiler(), tt.in, tt.disallowedIssuers)"
	lines := upstream(t, "k8s.io/apiserver/pkg/apis/apiserver/validation", "validation_test.go", "testdata/validation.go.txt", "^TestValidateAuthenticationConfiguration$", func(source string) string {
		return once(t, source, call, strings.Replace(call, "got := ", "got := writeCase(t, tt.name, tt.in, tt.disallowedIssuers, ", 1)+")")
	})
	for _, line := range lines {
		var c struct {
			Name               string
			Configuration      json.RawMessage
			Disallowed, Places []string
		}
		must(t, json.Unmarshal(line, &c))
		t.Run(c.Name, func(t *testing.T) {
			if strings.HasSuffix(c.Name, "GA features only") || strings.HasSuffix(c.Name, "feature disabled") {
				t.Log("a feature gate has no equivalent")
				return
			}
			_, refusal := imported(t, program, string(c.Configuration), c.Disallowed...)
			slices.Sort(c.Places)
			if why := untranslated[c.Name]; why != "" && len(c.Places) == 0 && len(places(refusal)) == 1 {
				t.Log(why)
				return
			}
			if got := places(refusal); !slices.Equal(got, c.Places) {
				t.Errorf("refused: %v, want %v\n%s", got, c.Places, refusal)
			}
		})
	}
}

// TestOddConfigurations holds verdict import to kube-apiserver's decoder and
// validation with configurations that are wrong in each way.
func TestOddConfigurations(t *testing.T) {
	program := verdict(t.Context(), t)
	const sound = `{"issuer": {"url": "https://a.example", "audiences": ["a"]}, "claimMappings": {"username": {"claim": "sub", "prefix": ""}}}`
	with := func(old, replacement string) string { return strings.Replace(sound, old, replacement, 1) }
	var many []string
	for i := range 65 {
		many = append(many, with("a.example", fmt.Sprintf("a%d.example", i)))
	}
	mapped := func(mappings string) string {
		return with(`"username": {"claim": "sub", "prefix": ""}`, mappings)
	}
	rules := func(rules string) string {
		return with(`"claimMappings"`, `"claimValidationRules": [`+rules+`], "claimMappings"`)
	}
	userRules := func(rules string) string {
		return with(`"claimMappings"`, `"userValidationRules": [`+rules+`], "claimMappings"`)
	}
	extra := func(extra string) string {
		return mapped(`"username": {"claim": "sub", "prefix": ""}, "extra": [` + extra + `]`)
	}
	issuer := func(more string) string { return with(`"audiences"`, more+`, "audiences"`) }
	for name, jwt := range map[string][]string{
		"none":                          {},
		"sound":                         {sound},
		"twice":                         {sound, sound},
		"65":                            many,
		"64":                            many[:64],
		"no issuer":                     {with(`https://a.example`, ``)},
		"not https":                     {with(`https:`, `http:`)},
		"no scheme":                     {with(`https://a.example`, `a.example`)},
		"a user":                        {with(`a.example`, `u@a.example`)},
		"a query and a fragment":        {with(`a.example`, `a.example/?q#f`)},
		"no URL":                        {with(`https://a.example`, `https://a.example:x`)},
		"no audience":                   {with(`["a"]`, `[]`)},
		"empty audience":                {with(`["a"]`, `[""]`)},
		"two audiences":                 {with(`["a"]`, `["a", "b"]`)},
		"two that match any":            {with(`["a"]`, `["a", "b"], "audienceMatchPolicy": "MatchAny"`)},
		"one that matches all":          {with(`["a"]`, `["a"], "audienceMatchPolicy": "MatchAll"`)},
		"the same audience":             {with(`["a"]`, `["a", "a"], "audienceMatchPolicy": "MatchAny"`)},
		"discovery at the issuer":       {issuer(`"discoveryURL": "https://a.example/"`)},
		"discovery by http":             {issuer(`"discoveryURL": "http://b.example"`)},
		"an empty discovery URL":        {issuer(`"discoveryURL": ""`)},
		"no certificates":               {issuer(`"certificateAuthority": "x"`)},
		"an odd egress":                 {issuer(`"egressSelectorType": "etcd"`)},
		"egress":                        {issuer(`"egressSelectorType": "cluster"`)},
		"no username":                   {mapped(`"groups": {"claim": "g", "prefix": ""}`)},
		"no prefix":                     {mapped(`"username": {"claim": "sub"}`)},
		"claim and expression":          {mapped(`"username": {"claim": "sub", "prefix": "", "expression": "claims.sub"}`)},
		"prefix and expression":         {mapped(`"username": {"prefix": "", "expression": "claims.sub"}`)},
		"groups without prefix":         {mapped(`"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "g"}`)},
		"groups, claim and expression":  {mapped(`"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "g", "prefix": "", "expression": "claims.g"}`)},
		"uid, claim and expression":     {mapped(`"username": {"claim": "sub", "prefix": ""}, "uid": {"claim": "g", "expression": "claims.g"}`)},
		"uid that does not compile":     {mapped(`"username": {"claim": "sub", "prefix": ""}, "uid": {"expression": "claims.g +"}`)},
		"another variable":              {mapped(`"username": {"expression": "user.username"}`)},
		"email":                         {mapped(`"username": {"expression": "claims.email"}`)},
		"email, has":                    {mapped(`"username": {"expression": "has(claims.email_verified) ? claims.email : claims.sub"}`)},
		"email by index":                {mapped(`"username": {"expression": "claims['email']"}`)},
		"email verified in a rule":      {strings.Replace(rules(`{"expression": "claims.email_verified == true"}`), `{"claim": "sub", "prefix": ""}`, `{"expression": "claims.email"}`, 1)},
		"email verified by index":       {strings.Replace(rules(`{"expression": "claims['email_verified'] == true"}`), `{"claim": "sub", "prefix": ""}`, `{"expression": "claims.email"}`, 1)},
		"email verified in uid":         {mapped(`"username": {"expression": "claims.email"}, "uid": {"expression": "claims.email_verified ? 'a' : 'b'"}`)},
		"rule without anything":         {rules(`{}`)},
		"rule with both":                {rules(`{"claim": "a", "expression": "true"}`)},
		"rule for a claim, message":     {rules(`{"claim": "a", "message": "m"}`)},
		"rule with value":               {rules(`{"expression": "true", "requiredValue": "v"}`)},
		"rule twice":                    {rules(`{"expression": "true"}, {"expression": "true"}`)},
		"claim twice":                   {rules(`{"claim": "a"}, {"claim": "a"}`)},
		"rule that gives a string":      {rules(`{"expression": "'a'"}`)},
		"rule that gives anything":      {rules(`{"expression": "claims.a"}`)},
		"rule that cannot be converted": {rules(`{"expression": "int('a') == 1"}`)},
		"rule with a bad pattern":       {rules(`{"expression": "string(claims.a).matches('(')"}`)},
		"rule of mixed types":           {rules(`{"expression": "claims.a in [1, 'a']"}`)},
		"user rule without anything":    {userRules(`{}`)},
		"user rule twice":               {userRules(`{"expression": "true"}, {"expression": "true"}`)},
		"user rule of another field":    {userRules(`{"expression": "user.name == 'a'"}`)},
		"user rule of a string":         {userRules(`{"expression": "user.username"}`)},
		"user rule":                     {userRules(`{"expression": "user.groups.all(g, g != 'a')"}`)},
		"extra key without domain":      {extra(`{"key": "a", "valueExpression": "'a'"}`)},
		"extra key empty":               {extra(`{"key": "", "valueExpression": "'a'"}`)},
		"extra key upper":               {extra(`{"key": "example.com/A", "valueExpression": "'a'"}`)},
		"extra key of Kubernetes":       {extra(`{"key": "a.k8s.io/a", "valueExpression": "'a'"}, {"key": "kubernetes.io/a", "valueExpression": "'a'"}`)},
		"extra key twice":               {extra(`{"key": "a.b/a", "valueExpression": "'a'"}, {"key": "a.b/a", "valueExpression": "'a'"}`)},
		"extra without value":           {extra(`{"key": "a.b/a"}`)},
		"extra that does not compile":   {extra(`{"key": "a.b/a", "valueExpression": "claims + 1"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			text := `{"apiVersion": "apiserver.config.k8s.io/v1beta1", "kind": "AuthenticationConfiguration", "jwt": [` + strings.Join(jwt, ",") + `]}`
			want, err := upstreamPlaces(text)
			must(t, err)
			_, refusal := imported(t, program, text)
			if got := places(refusal); !slices.Equal(got, want) {
				t.Errorf("refused: %v, want %v\n%s", got, want, refusal)
			}
		})
	}
	for name, text := range map[string]string{
		"empty":                 ``,
		"another kind":          `{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}`,
		"another version":       `{"apiVersion": "apiserver.config.k8s.io/v2", "kind": "AuthenticationConfiguration"}`,
		"no version":            `{"kind": "AuthenticationConfiguration"}`,
		"no kind":               `{"apiVersion": "apiserver.config.k8s.io/v1"}`,
		"an odd field":          `{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [], "x": 1}`,
		"a field in other case": `{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "JWT": []}`,
		"an odd field below":    "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: [{issuer: {audience: [a]}}]\n",
		"a field twice":         "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: []\njwt: []\n",
		"another type":          "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: {}\n",
		"no YAML":               "a: [",
		"sound, v1alpha1":       "apiVersion: apiserver.config.k8s.io/v1alpha1\nkind: AuthenticationConfiguration\njwt: []\n",
		"two documents":         "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: []\n---\njwt: []\n",
		"anonymous":             "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous: {enabled: false, conditions: [{path: /a}]}\n",
	} {
		t.Run("decoding: "+name, func(t *testing.T) {
			want, err := upstreamPlaces(text)
			_, refusal := imported(t, program, text)
			if (refusal != "") != (err != nil || len(want) > 0) {
				t.Errorf("verdict: %s; kube-apiserver: %v, %v", refusal, want, err)
			}
		})
	}
}

// upstreamPlaces are the fields that kube-apiserver refuses, sorted; the error is of
// reading the configuration.
func upstreamPlaces(text string) ([]string, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	if text == "" {
		return nil, fmt.Errorf("empty config data")
	}
	decoded, err := runtime.Decode(serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder(), []byte(text))
	if err != nil {
		return nil, err
	}
	configuration, ok := decoded.(*apiserver.AuthenticationConfiguration)
	if !ok {
		return nil, fmt.Errorf("%T", decoded)
	}
	var out []string
	for _, problem := range validation.ValidateAuthenticationConfiguration(authenticationcel.NewDefaultCompiler(), configuration, nil) {
		out = append(out, problem.Field)
	}
	slices.Sort(out)
	return out, nil
}
