package sealer

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestSealer(t *testing.T) {
	s, other := New(), New()
	secret := []byte("a secret")
	key := s.Key(secret)
	if got := s.Append([]byte("x"), secret); !bytes.Equal(got, append([]byte("x"), key[:]...)) {
		t.Errorf("Append gives %x, Key gives %x", got, key)
	}
	if s.Key([]byte("another")) == key || other.Key(secret) == key {
		t.Error("two keys are the same")
	}
	if bytes.Contains(key[:], secret) {
		t.Error("the key holds the secret")
	}
	if s.Key(nil) == (Key{}) {
		t.Error("nothing has no key")
	}
}

func TestSealerIsShared(t *testing.T) {
	s := New()
	want := map[string]Key{}
	for i := range 100 {
		secret := fmt.Sprint(i)
		want[secret] = s.Key([]byte(secret))
	}
	var sealing sync.WaitGroup
	for range 8 {
		sealing.Go(func() {
			for secret, key := range want {
				if s.Key([]byte(secret)) != key {
					t.Errorf("%s has another key", secret)
				}
			}
		})
	}
	sealing.Wait()
}

// After a key was made, the hash holds nothing of the secret.
func TestSealerForgets(t *testing.T) {
	s := New()
	secret := "a secret of more than one block: " + strings.Repeat("0123456789abcdef", 4)
	s.Key([]byte(secret))
	texts := 0
	if at := find(reflect.ValueOf(s.macs.Get()), "mac", secret[len(secret)-16:], &texts); at != "" {
		t.Errorf("the secret is at %s", at)
	}
	if texts < 2 {
		t.Errorf("only %d texts were found: the test sees nothing", texts)
	}
}

// find returns the path from v to bytes that hold want, "" when there is none.
func find(v reflect.Value, path, want string, texts *int) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return find(v.Elem(), path, want, texts)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if at := find(v.Field(i), path+"."+v.Type().Field(i).Name, want, texts); at != "" {
				return at
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			return ""
		}
		*texts++
		text := make([]byte, v.Len())
		for i := range text {
			text[i] = byte(v.Index(i).Uint())
		}
		if bytes.Contains(text, []byte(want)) {
			return path
		}
	}
	return ""
}

func BenchmarkKey(b *testing.B) {
	s, secret := New(), bytes.Repeat([]byte("x"), 32)
	b.ReportAllocs()
	for b.Loop() {
		s.Key(secret)
	}
}
