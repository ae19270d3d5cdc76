package celrego

import (
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
)

// Variable names what an expression can read.
type Variable string

// The variables of AuthenticationConfiguration.
const (
	// Claims are those of the token: an object.
	Claims Variable = "claims"
	// User is what the claims became: username, uid, groups and extra.
	User Variable = "user"
)

// environments are what kube-apiserver 1.37 compiles stored expressions in, the
// libraries apart of which no function has a counterpart in Rego.
var environments = sync.OnceValues(func() (map[Variable]*cel.Env, error) {
	base, err := cel.NewEnv(
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(),
			cel.ValidateTimestampLiterals(),
			cel.ValidateRegexLiterals(),
			cel.ValidateHomogeneousAggregateLiterals(),
		),
		ext.Strings(ext.StringsVersion(2)),
		ext.Sets(),
		ext.TwoVarComprehensions(),
		ext.Lists(ext.ListsVersion(3)),
		kubernetesFunctions(),
	)
	if err != nil {
		return nil, err
	}
	claims, err := base.Extend(cel.Variable(string(Claims), cel.MapType(cel.StringType, cel.AnyType)))
	if err != nil {
		return nil, err
	}
	user, err := base.Extend(
		cel.CustomTypeProvider(userProvider{base.CELTypeProvider()}),
		cel.Variable(string(User), userType),
	)
	if err != nil {
		return nil, err
	}
	return map[Variable]*cel.Env{Claims: claims, User: user}, nil
})

// kubernetesFunctions declares what Kubernetes adds to CEL and Rego can do.
func kubernetesFunctions() cel.EnvOption {
	element, texts := cel.TypeParamType("A"), cel.ListType(cel.StringType)
	list := func(t *cel.Type) []*cel.Type { return []*cel.Type{cel.ListType(t)} }
	var sorted, largest, smallest, sums []cel.FunctionOpt
	for _, t := range []*cel.Type{
		cel.IntType, cel.UintType, cel.DoubleType, cel.BoolType, cel.DurationType, cel.TimestampType, cel.StringType, cel.BytesType,
	} {
		name := t.TypeName()
		sorted = append(sorted, cel.MemberOverload("list_"+name+"_is_sorted", list(t), cel.BoolType))
		largest = append(largest, cel.MemberOverload("list_"+name+"_max", list(t), t))
		smallest = append(smallest, cel.MemberOverload("list_"+name+"_min", list(t), t))
	}
	for _, t := range []*cel.Type{cel.IntType, cel.UintType, cel.DoubleType, cel.DurationType} {
		sums = append(sums, cel.MemberOverload("list_"+t.TypeName()+"_sum", list(t), t))
	}
	all := []cel.EnvOption{
		cel.Function("find", cel.MemberOverload("string_find", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType)),
		cel.Function("findAll",
			cel.MemberOverload("string_find_all", []*cel.Type{cel.StringType, cel.StringType}, texts),
			cel.MemberOverload("string_find_all_limit", []*cel.Type{cel.StringType, cel.StringType, cel.IntType}, texts)),
		cel.Function("isSorted", sorted...),
		cel.Function("max", largest...),
		cel.Function("min", smallest...),
		cel.Function("sum", sums...),
		cel.Function("indexOf", cel.MemberOverload("list_index_of", []*cel.Type{cel.ListType(element), element}, cel.IntType)),
		cel.Function("lastIndexOf", cel.MemberOverload("list_last_index_of", []*cel.Type{cel.ListType(element), element}, cel.IntType)),
		cel.Function("includes", cel.MemberOverload("list_includes", []*cel.Type{cel.DynType, cel.DynType}, cel.BoolType)),
	}
	return func(env *cel.Env) (*cel.Env, error) {
		for _, option := range all {
			var err error
			if env, err = option(env); err != nil {
				return nil, err
			}
		}
		return env, nil
	}
}

// untranslatable are functions that Kubernetes adds to CEL and that have no
// counterpart here.
var untranslatable = map[string]bool{
	"quantity": true, "isQuantity": true, "url": true, "isURL": true, "ip": true, "isIP": true, "ip.isCanonical": true,
	"cidr": true, "isCIDR": true, "semver": true, "isSemver": true, "format.named": true, "authorizer": true,
}

var userType = cel.ObjectType("kubernetes.UserInfo")

// userFields are the fields of a user; what is not given is empty, never absent.
var userFields = map[string]struct {
	cel  *cel.Type
	kind *kind
}{
	"username": {cel.StringType, scalar(text)},
	"uid":      {cel.StringType, scalar(text)},
	"groups":   {cel.ListType(cel.StringType), listOf(scalar(text))},
	"extra": {cel.MapType(cel.StringType, cel.ListType(cel.StringType)), &kind{
		types: object, keys: text, element: listOf(scalar(text)), escapes: escaped,
	}},
}

// userProvider knows the type of a user besides those of another provider.
type userProvider struct{ types.Provider }

// FindStructType implements types.Provider.
func (p userProvider) FindStructType(name string) (*types.Type, bool) {
	if name == userType.TypeName() {
		return types.NewTypeTypeWithParam(userType), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldType implements types.Provider.
func (p userProvider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name != userType.TypeName() {
		return p.Provider.FindStructFieldType(name, field)
	}
	if known, ok := userFields[field]; ok {
		return &types.FieldType{Type: known.cel}, true
	}
	return nil, false
}
