package identity

import (
	"testing"
	"time"
)

func TestIdentityJSON(t *testing.T) {
	for name, test := range map[string]struct {
		identity Identity
		want     string
	}{
		"nothing": {Identity{}, `{"source":"","type":""}`},
		"all of it": {
			Identity{
				Source: "corp", Type: "jwt", Subject: "alice", Claims: NewClaims(`{"b": 1, "a": [1.50]}`), Audiences: []string{"api"},
				Expires: time.Date(2030, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)),
			},
			`{"audiences":["api"],"claims":{"b":1,"a":[1.50]},"expires":"2030-01-02T02:04:05Z","source":"corp","subject":"alice","type":"jwt"}`,
		},
		"empty claims": {Identity{Source: "a", Type: "b", Claims: NewClaims("{}")}, `{"claims":{},"source":"a","type":"b"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.identity.JSON()
			if err != nil || string(got) != test.want {
				t.Errorf("got %s and %v, want %s", got, err, test.want)
			}
		})
	}
}
