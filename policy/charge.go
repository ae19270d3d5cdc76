package policy

import (
	"hash/maphash"

	"github.com/verdict-dev/verdict/policy/document"
)

// onBehalf is a hash of the name that an evaluation is charged to: the user of an
// access review, the subject of a token, the namespace of a pod.
type onBehalf uint64

var behalfSeed = maphash.MakeSeed()

func onBehalfOf(name []byte) onBehalf { return onBehalf(maphash.Bytes(behalfSeed, name)) }

// charge is what an evaluation costs, and to whom that is charged.
type charge struct {
	to    onBehalf
	bytes int // about what it holds beside what others hold anyway
}

// source is the input that a rule is asked about.
type source interface {
	document.Source
	// charge is what deciding by the input is charged to.
	charge() charge
}

// accessReview is a SubjectAccessReview. Deciding is charged to its user: which
// client asked is for the API server to know.
type accessReview struct{ document.Value }

func (r accessReview) charge() charge {
	user := r.Get("spec").Get("user")
	if user.Absent() {
		return charge{bytes: r.DecodedSize()}
	}
	return charge{to: onBehalfOf(user.Raw()), bytes: r.DecodedSize()}
}

// tokenReview is a TokenReview with the identity that its token proves. Deciding
// is charged to behalf.
type tokenReview struct {
	document.WithMember
	behalf string
}

func (r tokenReview) charge() charge {
	return charge{to: onBehalfOf([]byte(r.behalf)), bytes: r.Object.DecodedSize()}
}

// detached is an input that refers to nothing of a request. It was charged for
// before.
type detached struct{ document.Decoded }

func (detached) charge() charge { return charge{} }
