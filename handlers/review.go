package handlers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/verdict-dev/verdict/policy/document"
)

// review is a review of one of the kinds that Kubernetes sends.
type review struct {
	json       *document.Document
	root, spec document.Value
	apiVersion string
}

// versions are those of a group that are answered.
type versions struct {
	group, kind string
	known       [2]string // "…/v1" and "…/v1beta1"
}

func versionsOf(group, kind string) versions {
	return versions{group: group, kind: kind, known: [2]string{group + "/v1", group + "/v1beta1"}}
}

// parse reads a review and checks that it is of the kind, in a known version,
// and has a spec. The caller releases its JSON. The error is for refuse.
func (v *versions) parse(c *call) (review, error) {
	if err := c.index(indexedValue + decodedValue); err != nil {
		return review{}, err
	}
	parsed, err := document.ParseObjectUntil(c.context(), c.body)
	if err != nil {
		return review{}, err
	}
	r := review{json: parsed, root: parsed.Root()}
	if err := v.check(&r); err != nil {
		parsed.Release()
		return review{}, err
	}
	return r, nil
}

func (v *versions) check(r *review) error {
	if err := v.checkKind(r); err != nil {
		return err
	}
	if err := v.checkVersion(r); err != nil {
		return err
	}
	var err error
	if r.spec, err = r.root.Object("spec"); err != nil {
		return err
	}
	if r.spec.Absent() {
		return errors.New("spec: is missing")
	}
	return nil
}

func (v *versions) checkKind(r *review) error {
	if r.root.Is("kind", v.kind) {
		return nil
	}
	kind, err := r.root.String("kind")
	if err != nil {
		return err
	}
	return fmt.Errorf("kind: must be %s, not %s", v.kind, printable(kind))
}

// checkVersion sets the version of r.
func (v *versions) checkVersion(r *review) error {
	for _, known := range v.known {
		if r.root.Is("apiVersion", known) {
			r.apiVersion = known
		}
	}
	if r.apiVersion == "" {
		got, err := r.root.String("apiVersion")
		if err != nil {
			return err
		}
		return fmt.Errorf("apiVersion: must be %s, not %s", strings.Join(v.known[:], " or "), printable(got))
	}
	return nil
}
