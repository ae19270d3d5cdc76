package identity

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestClaims(t *testing.T) {
	var absent Claims
	if !absent.IsZero() || absent.Text() != "" || absent.Decoded(func(string) any { return 1 }) != nil {
		t.Error("the zero value is not absent claims")
	}
	if NewClaims("{}").IsZero() {
		t.Error("an empty object is absent")
	}
	made, err := ClaimsOf(map[string]any{"sub": "x", "n": 7})
	if want := `{"n":7,"sub":"x"}`; err != nil || made.Text() != want {
		t.Errorf("got %s and %v, want %s", made.Text(), err, want)
	}
	if _, err := ClaimsOf(map[string]any{"f": func() {}}); err == nil {
		t.Error("what has no JSON form is taken")
	}
}

// Claims are decoded once, whichever copy is used first.
func TestClaimsAreDecodedOnce(t *testing.T) {
	claims := NewClaims(`{"a":1}`)
	var decoded atomic.Int32
	var reading sync.WaitGroup
	for range 8 {
		copied := claims
		reading.Go(func() {
			got := copied.Decoded(func(text string) any {
				decoded.Add(1)
				return "of " + text
			})
			if got != `of {"a":1}` {
				t.Errorf("got %v", got)
			}
		})
	}
	reading.Wait()
	if n := decoded.Load(); n != 1 {
		t.Errorf("decoded %d times", n)
	}
}
