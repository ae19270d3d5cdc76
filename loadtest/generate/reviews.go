package generate

import (
	"fmt"
	"math/rand/v2"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// zipfExponent makes a few users, namespaces and resources most of the
	// traffic, as controllers and dashboards do.
	zipfExponent = 1.2
	// wrongTokens is one in so many TokenReviews.
	wrongTokens = 50
	// neverSeen is one in so many requests of the mixed workload.
	neverSeen = 10
	// inKubeSystem is one in so many SubjectAccessReviews.
	inKubeSystem = 25
)

// tokenReviewPath is the path that API servers send TokenReviews to.
const tokenReviewPath = "/authenticate"

// TokenReviews are reviews of the tokens in the token file, Zipf over the people; one in
// 50 tokens belongs to no user.
func TokenReviews(c *Company, count int, seed uint64) (*Workload, error) {
	tokens := make([]string, len(c.People))
	for i, p := range c.People {
		tokens[i] = p.Token
	}
	return tokenReviews(&Workload{
		Name:  "TokenReview, token file",
		About: fmt.Sprintf("Tokens of %d users in a token file, Zipf; 1 in %d is wrong", len(c.People), wrongTokens),
		Rule:  "loadtest/authentication",
	}, tokens, count, seed, func(i int) (string, error) { return fmt.Sprintf("loadtest-wrong-%d", i), nil })
}

// JWTReviews likewise asks whose a JWT is, which issuer signed with RS256; the
// signature of one in 50 is wrong.
func JWTReviews(c *Company, issuer *Issuer, count int, seed uint64) (*Workload, error) {
	tokens := make([]string, len(c.People))
	for i, p := range c.People {
		token, err := issuer.Token(RS256, p, i)
		if err != nil {
			return nil, err
		}
		tokens[i] = token.Text
	}
	bad := newBadTokens(c, issuer, seed)
	return tokenReviews(&Workload{
		Name:  "TokenReview, JWT",
		About: fmt.Sprintf("RS256 tokens of %d users, Zipf; the signature of 1 in %d is wrong", len(c.People), wrongTokens),
		Rule:  "loadtest/authentication_jwt",
	}, tokens, count, seed, bad.wrongSignature)
}

func tokenReviews(w *Workload, tokens []string, count int, seed uint64, wrong func(int) (string, error)) (*Workload, error) {
	random := rand.New(rand.NewPCG(seed, 2))
	people := rand.NewZipf(random, zipfExponent, 1, uint64(len(tokens)-1))
	w.Path = tokenReviewPath
	for i := range count {
		token := tokens[people.Uint64()]
		// Not the last of those that are compared: the do-nothing handler answers
		// as that one was.
		if i%wrongTokens == 0 {
			var err error
			if token, err = wrong(i); err != nil {
				return nil, err
			}
		}
		sample, err := newTokenReview(token)
		if err != nil {
			return nil, err
		}
		w.Samples = append(w.Samples, sample)
	}
	return w, nil
}

// GoodTokenReviews asks whose each of the people's JWT is, in turn.
func GoodTokenReviews(c *Company, issuer *Issuer, algorithm Algorithm) (*Workload, error) {
	w := &Workload{Name: "TokenReview, good tokens", About: fmt.Sprintf("%s tokens of %d users, in turn", algorithm, len(c.People)), Path: tokenReviewPath}
	for i, p := range c.People {
		token, err := issuer.Token(algorithm, p, i)
		if err != nil {
			return nil, err
		}
		sample, err := newTokenReview(token.Text)
		if err != nil {
			return nil, err
		}
		w.Samples = append(w.Samples, sample)
	}
	return w, nil
}

func newTokenReview(token string) (Sample, error) {
	return newSample(authenticationv1.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authenticationv1.SchemeGroupVersion.String(), Kind: "TokenReview"},
		Spec:     authenticationv1.TokenReviewSpec{Token: token},
	})
}

// accessReviews draws SubjectAccessReviews, Zipf over people, namespaces,
// resources and verbs.
type accessReviews struct {
	company                              *Company
	random                               *rand.Rand
	people, namespaces, resources, verbs *rand.Zipf
}

func newAccessReviews(c *Company, seed uint64) *accessReviews {
	random := rand.New(rand.NewPCG(seed, 3))
	zipf := func(count int) *rand.Zipf { return rand.NewZipf(random, zipfExponent, 1, uint64(count-1)) }
	return &accessReviews{
		company: c, random: random,
		people: zipf(len(c.People)), namespaces: zipf(len(c.Namespaces)), resources: zipf(len(kinds)), verbs: zipf(len(verbs)),
	}
}

func (a *accessReviews) next() authorizationv1.SubjectAccessReview {
	person := a.company.People[a.people.Uint64()]
	kind := kinds[a.resources.Uint64()]
	attributes := &authorizationv1.ResourceAttributes{
		Namespace: a.company.Namespaces[a.namespaces.Uint64()],
		Verb:      verbs[a.verbs.Uint64()],
		Group:     kind.group,
		Version:   "v1",
		Resource:  kind.resource,
	}
	switch attributes.Verb {
	case "get", "update", "patch", "delete":
		attributes.Name = fmt.Sprintf("%s-%d", kind.resource, a.random.IntN(20))
	}
	switch {
	case kind.resource == "nodes":
		attributes.Namespace = ""
	case a.random.IntN(inKubeSystem) == 0:
		attributes.Namespace = "kube-system"
	}
	review := authorizationv1.SubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authorizationv1.SchemeGroupVersion.String(), Kind: "SubjectAccessReview"},
		Spec:     authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: attributes},
	}
	a.identify(&review, person)
	return review
}

// identify makes the review person's.
func (*accessReviews) identify(review *authorizationv1.SubjectAccessReview, person Person) {
	review.Spec.User = person.Name
	review.Spec.UID = person.UID
	review.Spec.Groups = person.Groups
	review.Spec.Extra = map[string]authorizationv1.ExtraValue{"authentication.kubernetes.io/credential-id": {"X509SHA256=" + person.SHA256}}
}

// stranger makes the review one of a user that was never seen before and belongs
// to the same groups.
func stranger(review *authorizationv1.SubjectAccessReview, _ int) {
	review.Spec.User = "visitor-" + hole + "@example.com"
	review.Spec.UID = hole
}

// anotherCredential leaves everything that the policy reads as it is.
func anotherCredential(review *authorizationv1.SubjectAccessReview, _ int) {
	review.Spec.Extra["authentication.kubernetes.io/credential-id"] = []string{"JTI=" + hole}
}

func sometimesStranger(review *authorizationv1.SubjectAccessReview, i int) {
	if i%neverSeen == 0 {
		stranger(review, i)
	}
}

// SubjectAccessReviews returns the authorization workloads, each drawn count
// times: repeated, mixed, different bytes, never seen.
func SubjectAccessReviews(c *Company, count int, seed uint64) ([]*Workload, error) {
	made := []*Workload{
		{Name: "SubjectAccessReview, repeated", About: "The same reviews over and over"},
		{Name: "SubjectAccessReview, mixed", About: fmt.Sprintf("1 in %d from a user never seen before, the others repeated", neverSeen)},
		{Name: "SubjectAccessReview, other bytes", About: "Each with a credential id of its own, which the policy does not read, and otherwise repeated"},
		{Name: "SubjectAccessReview, never seen", About: "Each from a user of its own"},
	}
	change := []func(*authorizationv1.SubjectAccessReview, int){
		func(*authorizationv1.SubjectAccessReview, int) {}, sometimesStranger, anotherCredential, stranger,
	}
	for k, w := range made {
		w.Path, w.Rule = "/authorize", "loadtest/authorization"
		reviews := newAccessReviews(c, seed)
		for i := range count {
			review := reviews.next()
			change[k](&review, i)
			sample, err := newSample(review)
			if err != nil {
				return nil, err
			}
			w.Samples = append(w.Samples, sample)
		}
	}
	return made, nil
}
