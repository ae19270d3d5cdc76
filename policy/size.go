package policy

import (
	"slices"
	"strings"

	"github.com/verdict-dev/verdict/policy/cache"
)

// What values take in memory, in bytes.
const (
	sizeOfMap     = 400 // a Go map of up to eight strings or lists
	sizeOfEntry   = 104 // of a Go map beyond that
	sizeOfHeader  = 24  // of a slice
	sizeOfString  = 16  // beside its text
	entriesInside = 8   // of a Go map that sizeOfMap counts
)

// size is about how many bytes the decision refers to, once it is cloned.
func (d decision) size() int {
	switch v := d.value.(type) {
	case []string:
		return sizeOfStrings(v)
	case *User:
		return v.size()
	case map[string]string:
		size := sizeOfMaps(len(v))
		for name, text := range v {
			size += cache.SizeOf(len(name)) + cache.SizeOf(len(text))
		}
		return size
	}
	return sizeOfString
}

func sizeOfStrings(of []string) int {
	if len(of) == 0 {
		return 0
	}
	size := sizeOfHeader + len(of)*sizeOfString
	for _, text := range of {
		size += len(text)
	}
	return cache.SizeOf(size)
}

func sizeOfMaps(entries int) int {
	if entries == 0 {
		return 0
	}
	return sizeOfMap + max(entries-entriesInside, 0)*sizeOfEntry
}

// size is about how many bytes the user takes.
func (u *User) size() int {
	if u == nil {
		return 0
	}
	const user = 64
	size := user + cache.SizeOf(len(u.Username)) + cache.SizeOf(len(u.UID)) + sizeOfStrings(u.Groups) + sizeOfMaps(len(u.Extra))
	for key, values := range u.Extra {
		size += cache.SizeOf(len(key)) + sizeOfStrings(values)
	}
	return size
}

// clone is d with texts of its own. A reason may be a small part of a large text of
// a request, which would be kept with it.
func (d decision) clone() decision {
	switch v := d.value.(type) {
	case []string:
		d.value = cloneStrings(v)
	case *User:
		if v != nil {
			d.value = v.clone()
		}
	case map[string]string:
		if len(v) > 0 {
			own := make(map[string]string, len(v))
			for name, text := range v {
				own[strings.Clone(name)] = strings.Clone(text)
			}
			d.value = own
		}
	}
	return d
}

// cloneStrings copies texts into one piece.
func cloneStrings(of []string) []string {
	switch len(of) {
	case 0:
		if of == nil {
			return nil
		}
		return []string{}
	case 1:
		return []string{strings.Clone(of[0])}
	}
	whole := strings.Join(of, "")
	out := slices.Clone(of)
	for i, text := range of {
		out[i], whole = whole[:len(text)], whole[len(text):]
	}
	return slices.Clip(out)
}

func (u *User) clone() *User {
	out := &User{Username: strings.Clone(u.Username), UID: strings.Clone(u.UID), Groups: cloneStrings(u.Groups)}
	if u.Extra != nil {
		out.Extra = make(map[string][]string, len(u.Extra))
		for key, values := range u.Extra {
			out.Extra[strings.Clone(key)] = cloneStrings(values)
		}
	}
	return out
}
