package inprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// Tokens is what it takes to verify a token of one algorithm that was never seen
// before, in microseconds.
type Tokens struct {
	Algorithm generate.Algorithm
	// TokenBytes is the mean length of a token.
	TokenBytes int
	// Check is for the signature alone, with the hash of what is signed. Identity
	// is from the text of the token to what it proves, Review from the bytes of a
	// TokenReview to those of the answer.
	Check, Identity, Review report.Figure
}

// tokenCount is how many tokens of an algorithm are verified in turn.
const tokenCount = 256

// MeasureTokens verifies tokens of each algorithm, by verdict and by their
// signatures alone, which all of them have to be right for. Nothing is kept: a
// token is new each time. The keys are written to dir.
func MeasureTokens(ctx context.Context, dir string, turns Turns, seed uint64) ([]Tokens, error) {
	company, err := generate.NewCompany(generate.Size{Users: tokenCount, Bindings: tokenCount, Namespaces: namespaces}, seed)
	if err != nil {
		return nil, err
	}
	issuer, err := generate.NewIssuer(time.Now())
	if err != nil {
		return nil, err
	}
	jwks, err := issuer.JWKS()
	if err != nil {
		return nil, err
	}
	verifier, err := newVerifier(ctx, dir, jwks)
	if err != nil {
		return nil, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(ctx, files)
	if err != nil {
		return nil, err
	}
	handler := newForgetfulHandler(compiled, verifier)

	var results []Tokens
	var contestants []contestant
	for _, algorithm := range generate.Algorithms() {
		tokens := make([]generate.SignedToken, tokenCount)
		result := Tokens{Algorithm: algorithm}
		for i, person := range company.People {
			if tokens[i], err = issuer.Token(algorithm, person, i); err != nil {
				return nil, err
			}
			result.TokenBytes += len(tokens[i].Text)
			verified, err := verifier.Verify(ctx, tokens[i].Text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", algorithm, err)
			}
			if verified.Subject != person.UID {
				return nil, fmt.Errorf("%s: a token of %s is said to be %s's", algorithm, person.UID, verified.Subject)
			}
		}
		result.TokenBytes /= len(tokens)
		results = append(results, result)
		reviews, err := generate.GoodTokenReviews(company, issuer, algorithm)
		if err != nil {
			return nil, err
		}
		review := func(n uint64, answer *bytes.Buffer) error {
			return serve(handler, reviews.Path, reviews.Body(nil, n), answer)
		}
		if err := checkReviews(company, review); err != nil {
			return nil, fmt.Errorf("%s: %w", algorithm, err)
		}
		contestants = append(contestants,
			contestant{fmt.Sprint("signature, ", algorithm), func(context.Context, uint64) error {
				for _, token := range tokens {
					if !issuer.Check(algorithm, token.Input, token.Signature) {
						return errors.New("a signature is wrong")
					}
				}
				return nil
			}, tokenCount},
			contestant{fmt.Sprint("identity, ", algorithm), func(ctx context.Context, _ uint64) error {
				for _, token := range tokens {
					if _, err := verifier.Verify(ctx, token.Text); err != nil {
						return err
					}
				}
				return nil
			}, tokenCount},
			contestant{fmt.Sprint("review, ", algorithm), func(context.Context, uint64) error {
				for n := range uint64(tokenCount) {
					if err := review(n, &bytes.Buffer{}); err != nil {
						return err
					}
				}
				return nil
			}, tokenCount})
	}
	figures, err := turns.take(ctx, contestants)
	if err != nil {
		return nil, err
	}
	for i := range results {
		of := contestants[3*i:]
		results[i].Check, results[i].Identity, results[i].Review = figures[of[0].name], figures[of[1].name], figures[of[2].name]
	}
	return results, nil
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
