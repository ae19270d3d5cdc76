// Package tokens measures the verification of one token in process, beside the bare
// check of its signature.
package tokens

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// result is what it takes to verify a token of one algorithm that was never seen
// before, in microseconds.
type result struct {
	algorithm generate.Algorithm
	// tokenBytes is the mean length of a token.
	tokenBytes int
	// check is for the signature alone, with the hash of the signed bytes. identity
	// is from the text of the token to the identity that it proves, review from the
	// bytes of a TokenReview to those of the answer.
	check, identity, review report.Figure
}

// tokenCount is how many tokens of an algorithm are verified in turn.
const tokenCount = 256

// setup is what all algorithms are measured with. Nothing is kept: a token is new
// each time.
type setup struct {
	company  *generate.Company
	issuer   *generate.Issuer
	verifier *identity.Verifier
	handler  http.Handler
}

// newSetup writes keys to dir.
func newSetup(ctx context.Context, dir string, seed uint64) (s setup, err error) {
	if s.company, err = generate.NewCompany(generate.Size{Users: tokenCount, Bindings: tokenCount, Namespaces: bench.Namespaces}, seed); err != nil {
		return s, err
	}
	if s.issuer, err = generate.NewIssuer(time.Now()); err != nil {
		return s, err
	}
	jwks, err := s.issuer.JWKS()
	if err != nil {
		return s, err
	}
	if s.verifier, err = inprocess.NewVerifier(ctx, dir, jwks); err != nil {
		return s, err
	}
	files, err := generate.PolicyFiles(s.company)
	if err != nil {
		return s, err
	}
	compiled, err := inprocess.Compile(ctx, files)
	if err != nil {
		return s, err
	}
	s.handler = inprocess.NewUncachedHandler(compiled, s.verifier)
	return s, nil
}

// measure verifies tokens of each algorithm, by verdict and by their signatures
// alone. All of them have to be right. The keys are written to dir.
func measure(ctx context.Context, dir string, turns inprocess.Turns, seed uint64) ([]result, error) {
	s, err := newSetup(ctx, dir, seed)
	if err != nil {
		return nil, err
	}
	var results []result
	var operations []inprocess.Operation
	for _, algorithm := range generate.Algorithms() {
		tokens, err := s.tokens(ctx, algorithm)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", algorithm, err)
		}
		bytes := 0
		for _, token := range tokens {
			bytes += len(token.Text)
		}
		results = append(results, result{algorithm: algorithm, tokenBytes: bytes / len(tokens)})
		review, err := s.review(algorithm)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", algorithm, err)
		}
		operations = append(operations,
			inprocess.Operation{Name: fmt.Sprint("signature, ", algorithm), Pass: s.checkAll(algorithm, tokens), Calls: tokenCount},
			inprocess.Operation{Name: fmt.Sprint("identity, ", algorithm), Pass: s.verifyAll(tokens), Calls: tokenCount},
			inprocess.Operation{Name: fmt.Sprint("review, ", algorithm), Pass: review, Calls: tokenCount})
	}
	figures, err := turns.Take(ctx, operations)
	if err != nil {
		return nil, err
	}
	for i := range results {
		of := operations[3*i:]
		results[i].check, results[i].identity, results[i].review = figures[of[0].Name], figures[of[1].Name], figures[of[2].Name]
	}
	return results, nil
}

// tokens are one for each person of the company, verified once.
func (s setup) tokens(ctx context.Context, algorithm generate.Algorithm) ([]generate.SignedToken, error) {
	tokens := make([]generate.SignedToken, tokenCount)
	for i, person := range s.company.People {
		var err error
		if tokens[i], err = s.issuer.Token(algorithm, person, i); err != nil {
			return nil, err
		}
		verified, err := s.verifier.Verify(ctx, tokens[i].Text)
		if err != nil {
			return nil, err
		}
		if verified.Subject != person.UID {
			return nil, fmt.Errorf("a token of %s is said to be %s's", person.UID, verified.Subject)
		}
	}
	return tokens, nil
}

func (s setup) checkAll(algorithm generate.Algorithm, tokens []generate.SignedToken) func(context.Context, uint64) error {
	return func(context.Context, uint64) error {
		for _, token := range tokens {
			if !s.issuer.Check(algorithm, token.Input, token.Signature) {
				return errors.New("a signature is wrong")
			}
		}
		return nil
	}
}

func (s setup) verifyAll(tokens []generate.SignedToken) func(context.Context, uint64) error {
	return func(ctx context.Context, _ uint64) error {
		for _, token := range tokens {
			if _, err := s.verifier.Verify(ctx, token.Text); err != nil {
				return err
			}
		}
		return nil
	}
}

// review is the pass that answers the TokenReviews of everybody's token. The
// answers are checked once.
func (s setup) review(algorithm generate.Algorithm) (func(context.Context, uint64) error, error) {
	reviews, err := generate.GoodTokenReviews(s.company, s.issuer, algorithm)
	if err != nil {
		return nil, err
	}
	review := func(n uint64, answer *bytes.Buffer) error {
		return inprocess.Serve(s.handler, reviews.Path, reviews.Body(nil, n), answer)
	}
	if err := checkReviews(s.company, review); err != nil {
		return nil, err
	}
	return func(context.Context, uint64) error {
		for n := range uint64(tokenCount) {
			if err := review(n, &bytes.Buffer{}); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// checkReviews asks for everybody's token once.
func checkReviews(company *generate.Company, review func(n uint64, answer *bytes.Buffer) error) error {
	for i, person := range company.People {
		var text bytes.Buffer
		if err := review(uint64(i), &text); err != nil {
			return err
		}
		var answer authenticationv1.TokenReview
		if err := json.Unmarshal(text.Bytes(), &answer); err != nil {
			return fmt.Errorf("reading verdict's answer: %w", err)
		}
		if !answer.Status.Authenticated || answer.Status.User.Username != person.Name || len(answer.Status.User.Groups) == 0 {
			return fmt.Errorf("a token of %s is answered with %+v", person.Name, answer.Status)
		}
	}
	return nil
}

// Add measures the verification of one token of each algorithm.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) error {
	fmt.Fprintln(b.Progress, "in process: tokens")
	results, err := measure(ctx, b.Dir, inprocess.ShortTurns(b, 3*len(generate.Algorithms())), b.Seed)
	if err != nil {
		return err
	}
	addComparisons(results, made)
	return nil
}
