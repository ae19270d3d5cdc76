package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	policyidentity "github.com/verdict-dev/verdict/policy/identity"
)

// explainReview explains a review of the point, of any version that is served.
func explainReview(ctx context.Context, view *policy.View, point policy.Point, text []byte) (policy.Explained, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return policy.Explained{}, usageError{err}
	}
	document, err := parseReview(members, point)
	if err != nil {
		return policy.Explained{}, usageError{err}
	}
	if err := handlers.CapturedReview(point, document.Root()); err != nil {
		return policy.Explained{}, usageError{fmt.Errorf("%w; --point %v takes %s", err, point, oneReview(point))}
	}
	return view.Explain(ctx, point, document.Root())
}

// errNoIdentity says how to give the identity that a token proves.
var errNoIdentity = errors.New(`identity: is missing: rules read the identity that the token proves. Write it at "identity", give it in a file with --identity, or let the sources of --config verify the token`)

// errRefusedToken is the outcome for a token that proves no identity.
var errRefusedToken = errors.New("not authenticated")

// explainToken explains a TokenReview of either version. The identity that its token
// proves is the member identity, or identityText, or the result of the identity
// sources of the configuration: c is nil without one. The token goes only to them.
func explainToken(ctx context.Context, view *policy.View, text, identityText []byte, c *config.Configuration) (policy.Explained, error) {
	members, err := readReviewWithIdentity(text, identityText)
	if err != nil {
		return policy.Explained{}, usageError{err}
	}
	review, token, audiences, err := readTokenReview(members)
	if err != nil {
		return policy.Explained{}, usageError{fmt.Errorf("%w; --point authentication takes a TokenReview", err)}
	}
	if members["identity"] == nil {
		if token == "" || c == nil || len(c.Authentication.Sources) == 0 {
			return policy.Explained{}, usageError{errNoIdentity}
		}
		members["identity"], err = proveIdentity(ctx, c, token, audiences)
		if errors.Is(err, errRefusedToken) {
			return policy.Explained{Outcome: err.Error()}, nil
		}
		if err != nil {
			return policy.Explained{}, err
		}
		if review, _, _, err = readTokenReview(members); err != nil {
			return policy.Explained{}, err
		}
	}
	return view.Explain(ctx, policy.AuthenticationPoint, review.Root())
}

// readReviewWithIdentity reads the members of a review, with identityText as the
// member identity unless it is nil.
func readReviewWithIdentity(text, identityText []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	if identityText != nil {
		if members["identity"] != nil {
			return nil, errors.New("identity: is in the document and in --identity: give one")
		}
		members["identity"] = identityText
	}
	if len(members["identity"]) > 0 && members["identity"][0] != '{' {
		return nil, errors.New("identity: must be an object, such as {\"source\": …, \"type\": …, \"subject\": …, \"claims\": {…}}")
	}
	return members, nil
}

// proveIdentity lets the sources of the configuration verify the token, and returns
// the JSON of the identity. For a token that they refuse the error is errRefusedToken.
func proveIdentity(ctx context.Context, c *config.Configuration, token string, audiences []string) (json.RawMessage, error) {
	proved, err := verifyToken(ctx, c, token)
	if err != nil {
		return nil, err
	}
	if !handlers.AcceptsAudiences(proved, audiences, c.Authentication.Audiences) {
		return nil, fmt.Errorf("%w: source %s accepts the token, but it is for the audiences %q and not for the requested ones", errRefusedToken, proved.Source, proved.Audiences)
	}
	return proved.JSON()
}

// readTokenReview brings a review into the form in which policies see it.
func readTokenReview(members map[string]json.RawMessage) (review *document.Document, token string, audiences []string, err error) {
	if review, err = parseReview(members, policy.AuthenticationPoint); err != nil {
		return nil, "", nil, err
	}
	token, audiences, err = handlers.CapturedTokenReview(review.Root())
	return review, token, audiences, err
}

// oneReview is a review of the point, with its article.
func oneReview(point policy.Point) string {
	_, kind := handlers.ReviewKind(point)
	if strings.ContainsAny(kind[:1], "AEIO") {
		return "an " + kind
	}
	return "a " + kind
}

// parseReview is the review with these members, of the kind of the point and the
// version that policies see where it does not say.
func parseReview(members map[string]json.RawMessage, point policy.Point) (*document.Document, error) {
	version, kind := handlers.ReviewKind(point)
	for name, value := range map[string]string{"apiVersion": version, "kind": kind} {
		if members[name] == nil {
			members[name] = json.RawMessage(`"` + value + `"`)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return document.ParseObject(text)
}

// sourcesTimeout is how long the sources of identities may take to be ready.
const sourcesTimeout = 10 * time.Second

// verifyToken asks the sources of the configuration, as serve does.
func verifyToken(ctx context.Context, c *config.Configuration, token string) (policyidentity.Identity, error) {
	log := zap.NewNop()
	made, err := newIdentities(ctx, c, log, newObserver(log, prometheus.NewRegistry()), sources.NewMetrics(nil))
	if err != nil {
		return policyidentity.Identity{}, err
	}
	ctx, stop := context.WithTimeout(ctx, sourcesTimeout)
	defer stop()
	for _, run := range made.run {
		go run(ctx)
	}
	chain := identity.NewChain(made.site.Metrics, made.sources...)
	chain.LimitTokens(int(c.Server.Limits.TokenBytes))
	parsed := sources.ParseToken(token)
	const pause = 50 * time.Millisecond
	for chain.Ready() != nil && ctx.Err() == nil {
		time.Sleep(pause)
	}
	proved, _, err := chain.Verify(ctx, parsed)
	if errors.Is(err, policyidentity.ErrUnknownToken) {
		return proved, fmt.Errorf("%w: %w", errRefusedToken, err)
	}
	return proved, err
}

// readIdentity reads the file with the identity of a token; nil without a file.
func readIdentity(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--identity: %w", err)
	}
	document, err := document.ParseObject(text)
	if err != nil {
		return nil, fmt.Errorf("--identity: %s: %w", file, err)
	}
	document.Release()
	return text, nil
}
