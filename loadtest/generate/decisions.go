package generate

import (
	authorizationv1 "k8s.io/api/authorization/v1"
)

// Decisions draws SubjectAccessReviews evenly over a company's people, so that
// companies of different sizes ask for alike, and Zipf over what they ask for.
type Decisions struct {
	reviews *accessReviews
	count   int
}

// NewDecisions returns the same reviews for the same company and seed.
func NewDecisions(c *Company, seed uint64) *Decisions {
	return &Decisions{reviews: newAccessReviews(c, seed)}
}

// Next draws one.
func (d *Decisions) Next() authorizationv1.SubjectAccessReview {
	review := d.reviews.next()
	// 7919 is a prime larger than what it could have in common with the number
	// of people: all of them take part, whatever the size.
	d.count += 7919
	d.reviews.identify(&review, d.reviews.company.People[d.count%len(d.reviews.company.People)])
	return review
}
