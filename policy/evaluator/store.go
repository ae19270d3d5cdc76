package evaluator

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/util"
)

// snapshot is an immutable store over one object. Reading takes no lock and
// copies nothing.
type snapshot struct {
	storage.PolicyNotSupported
	storage.TriggersNotSupported
	data ast.Object
}

// noTransaction is the one transaction of every snapshot, which never changes.
type noTransaction struct{}

// ID implements storage.Transaction.
func (noTransaction) ID() uint64 { return 0 }

var (
	errNotFound = &storage.Error{Code: storage.NotFoundErr, Message: "document does not exist"}
	errReadOnly = &storage.Error{Code: storage.WritesNotSupportedErr, Message: "data is read-only while a policy is evaluated"}
)

// NewTransaction implements storage.Store.
func (snapshot) NewTransaction(context.Context, ...storage.TransactionParams) (storage.Transaction, error) {
	return noTransaction{}, nil
}

// Read returns the value at path as it is kept.
func (s snapshot) Read(_ context.Context, _ storage.Transaction, path storage.Path) (any, error) {
	var here ast.Value = s.data
	for _, name := range path {
		var term *ast.Term
		switch v := here.(type) {
		case ast.Object:
			term = v.Get(ast.StringTerm(name))
		case *ast.Array:
			// As OPA's own stores read it: 1.0 is an index too.
			if i, ok := util.Atoi(name); ok && i >= 0 && i < v.Len() {
				term = v.Elem(i)
			}
		}
		if term == nil {
			return nil, errNotFound
		}
		here = term.Value
	}
	return here, nil
}

func (snapshot) Write(context.Context, storage.Transaction, storage.PatchOp, storage.Path, any) error {
	return errReadOnly
}

// Commit implements storage.Store.
func (snapshot) Commit(context.Context, storage.Transaction) error { return nil }

// Abort implements storage.Store.
func (snapshot) Abort(context.Context, storage.Transaction) {}

// Truncate implements storage.Store.
func (snapshot) Truncate(context.Context, storage.Transaction, storage.TransactionParams, storage.Iterator) error {
	return errReadOnly
}
