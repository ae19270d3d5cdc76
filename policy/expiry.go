package policy

import "time"

// Expiry is an instant in Unix nanoseconds from which on something may not be
// kept any more. Never is no such instant.
type Expiry int64

// The ends of the scale: what may be kept for as long as it holds, and what
// may not be kept at all.
const (
	Never   Expiry = 1<<63 - 1
	AtOnce  Expiry = 0
	maximum        = time.Duration(1<<63 - 1)
)

func (x Expiry) passed(now time.Time) bool { return x != Never && now.UnixNano() >= int64(x) }

// Holds reports whether something that expires at x may still be given at now.
func (x Expiry) Holds(now time.Time) bool { return !x.passed(now) }

// after is when ttl has passed; 0 is no limit.
func after(now time.Time, ttl time.Duration) Expiry {
	if ttl <= 0 {
		return Never
	}
	return ExpiryOf(now.Add(ttl))
}

// ExpiryOf is instant as an Expiry. The zero time is never, and so is what lies
// beyond the reach of an Expiry, in the year 2262.
func ExpiryOf(instant time.Time) Expiry {
	switch {
	case instant.IsZero(), instant.After(time.Unix(0, int64(Never))):
		return Never
	case instant.Before(time.Unix(0, 0)):
		return AtOnce
	}
	return Expiry(instant.UnixNano())
}
