package main

import (
	"io"
	"testing"
)

func TestFlags(t *testing.T) {
	for name, arguments := range map[string][]string{
		"no rounds":            {"-rounds", "0"},
		"no time":              {"-duration", "0s"},
		"no share":             {"-share", "0"},
		"more than all":        {"-share", "1.5"},
		"no nodes":             {"-nodes", "0"},
		"no bad tokens":        {"-bad-tokens", "0"},
		"too few pods":         {"-cluster-pods", "9"},
		"no idle time":         {"-cluster-idle", "0s"},
		"an argument":          {"x"},
		"a path without file":  {"-serve-nothing", "127.0.0.1:0", "/x"},
		"a file without slash": {"-serve-nothing", "127.0.0.1:0", "x=y"},
	} {
		if _, err := parse(arguments, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if o, err := parse(nil, io.Discard); err != nil || o.Rounds < 5 {
		t.Errorf("%d rounds by default, %v; want five or more", o.Rounds, err)
	}
	o, err := parse([]string{"-serve-nothing", "127.0.0.1:0", "/a=b=c"}, io.Discard)
	if err != nil || o.answers["/a"] != "b=c" {
		t.Errorf("answers %v, %v", o.answers, err)
	}
}
