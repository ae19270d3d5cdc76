package sources

import "time"

// maxLeeway is more than the clocks of well-kept machines differ by.
const maxLeeway = 10 * time.Minute

// Leeway is how far clocks may differ, for each claim that is a time (RFC 7519
// §4.1.4 to §4.1.6). The zero value allows for no difference and does not look
// at "iat", as kube-apiserver doesn't.
type Leeway struct {
	// Expires is how long after "exp", NotBefore how long before "nbf" a token is
	// taken.
	Expires   time.Duration `yaml:"exp"`
	NotBefore time.Duration `yaml:"nbf"`
	// IssuedAt likewise before "iat"; nil when "iat" may be any time.
	IssuedAt *time.Duration `yaml:"iat"`
}

// SetDuration sets all three: one duration may stand for them in the
// configuration.
func (l *Leeway) SetDuration(leeway time.Duration) {
	l.Expires, l.NotBefore, l.IssuedAt = leeway, leeway, &leeway
}

// Check checks what the configuration says at path. It reports one mistake of a
// duration that stands for all three.
func (l *Leeway) Check(c Checker, path string) {
	for _, field := range []struct {
		name string
		time *time.Duration
	}{{"exp", &l.Expires}, {"nbf", &l.NotBefore}, {"iat", l.IssuedAt}} {
		at := path + "." + field.name
		own := c.Given(at)
		if !own {
			at = path
		}
		if field.time == nil || !c.Readable(at) {
			continue
		}
		switch {
		case *field.time < 0:
			c.NotNegative(at, *field.time)
		case *field.time > maxLeeway:
			c.Add(at, "%s is longer than %s, by which no clocks should differ", *field.time, maxLeeway)
		default:
			continue
		}
		if !own {
			return
		}
	}
}

// Negative reports whether one of the durations is below zero.
func (l *Leeway) Negative() bool {
	return l.Expires < 0 || l.NotBefore < 0 || l.IssuedAt != nil && *l.IssuedAt < 0
}

// Expired reports whether a token that says "exp" is over at now.
func (l *Leeway) Expired(exp, now time.Time) bool { return !now.Before(exp.Add(l.Expires)) }

// From is the instant from which on a token that says "nbf" and "iat" is taken;
// the zero time for ever. Either is zero where the token does not say.
func (l *Leeway) From(nbf, iat time.Time) time.Time {
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

// DefaultLeeway is that of kube-apiserver, which looks at no "iat".
func DefaultLeeway() Leeway { return Leeway{NotBefore: time.Minute} }
