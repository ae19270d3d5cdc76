package identity

import "time"

// Leeway is how far clocks may differ, for each claim that is a time (RFC 7519
// §4.1.4 to §4.1.6). The zero value allows for no difference and does not look
// at "iat", as kube-apiserver doesn't.
type Leeway struct {
	// Expires is how long after "exp", NotBefore how long before "nbf" a token is
	// taken.
	Expires, NotBefore time.Duration
	// IssuedAt likewise before "iat"; nil when "iat" may be any time.
	IssuedAt *time.Duration
}

func (l *Leeway) negative() bool {
	return l.Expires < 0 || l.NotBefore < 0 || l.IssuedAt != nil && *l.IssuedAt < 0
}

// expired reports whether a token that says "exp" is over at now.
func (l *Leeway) expired(exp, now time.Time) bool { return !now.Before(exp.Add(l.Expires)) }

// from is the instant from which on a token that says "nbf" and "iat" is taken;
// the zero time for ever. Either is zero where the token does not say.
func (l *Leeway) from(nbf, iat time.Time) time.Time {
	var from time.Time
	if !nbf.IsZero() {
		from = nbf.Add(-l.NotBefore)
	}
	if !iat.IsZero() && l.IssuedAt != nil {
		if issued := iat.Add(-*l.IssuedAt); issued.After(from) {
			from = issued
		}
	}
	return from
}
