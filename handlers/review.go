package handlers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/verdict-dev/verdict/policy/document"
)

// review is a review of one of the kinds that Kubernetes sends.
type review struct {
	kind          *reviewKind
	json          *document.Document
	root, payload document.Value
	apiVersion    string // one of kind.known
}

// versions are the apiVersions of a kind that are answered: that which policies
// see, and the one before it.
type versions [2]string

// versionsOf are v1 and v1beta1 of an API group.
func versionsOf(group string) versions { return versions{group + "/v1", group + "/v1beta1"} }

// parse reads a review and checks that it is of the kind, in a known version,
// and has its payload. The caller releases its JSON. The error is for refuse.
func (k *reviewKind) parse(c *call) (review, error) {
	if err := c.index(indexedValue + decodedValue); err != nil {
		return review{}, err
	}
	parsed, err := document.ParseObjectUntil(c.context(), c.body)
	if err != nil {
		return review{}, err
	}
	r := review{kind: k, json: parsed, root: parsed.Root()}
	if err := r.check(); err != nil {
		parsed.Release()
		return review{}, err
	}
	return r, nil
}

func (r *review) check() error {
	if err := r.checkHeader(); err != nil {
		return err
	}
	if r.payload.Absent() {
		return errors.New(r.kind.payload + ": is missing")
	}
	return nil
}

// checkHeader checks the kind and the version, and finds the payload, which may be
// absent.
func (r *review) checkHeader() error {
	if !r.root.Is("kind", r.kind.kind) {
		kind, err := r.root.String("kind")
		if err != nil {
			return err
		}
		return fmt.Errorf("kind: must be %s, not %s", r.kind.kind, printable(kind))
	}
	if err := r.checkVersion(); err != nil {
		return err
	}
	var err error
	r.payload, err = r.root.Object(r.kind.payload)
	return err
}

// checkVersion sets the version of r.
func (r *review) checkVersion() error {
	for _, known := range r.kind.known {
		if r.root.Is("apiVersion", known) {
			r.apiVersion = known
		}
	}
	if r.apiVersion == "" {
		got, err := r.root.String("apiVersion")
		if err != nil {
			return err
		}
		return fmt.Errorf("apiVersion: must be %s, not %s", strings.Join(r.kind.known[:], " or "), printable(got))
	}
	return nil
}
