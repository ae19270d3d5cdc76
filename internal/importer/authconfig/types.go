package authconfig

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Configuration is an AuthenticationConfiguration, whose versions v1, v1beta1 and
// v1alpha1 have the same fields.
type Configuration struct {
	metav1.TypeMeta `json:",inline"`

	JWT       []Authenticator `json:"jwt"`
	Anonymous *Anonymous      `json:"anonymous"`
}

// Anonymous says who may ask without a token.
type Anonymous struct {
	Enabled    bool                 `json:"enabled"`
	Conditions []AnonymousCondition `json:"conditions"`
}

// AnonymousCondition is a path that may be asked for without a token.
type AnonymousCondition struct {
	Path string `json:"path"`
}

// Authenticator is one of the issuers whose tokens are accepted.
type Authenticator struct {
	Issuer               Issuer                `json:"issuer"`
	ClaimValidationRules []ClaimValidationRule `json:"claimValidationRules"`
	ClaimMappings        ClaimMappings         `json:"claimMappings"`
	UserValidationRules  []UserValidationRule  `json:"userValidationRules"`
}

// Issuer is where tokens and the keys of their signatures come from.
type Issuer struct {
	URL          string  `json:"url"`
	DiscoveryURL *string `json:"discoveryURL"`
	// CertificateAuthority is PEM.
	CertificateAuthority string   `json:"certificateAuthority"`
	Audiences            []string `json:"audiences"`
	AudienceMatchPolicy  string   `json:"audienceMatchPolicy"`
	EgressSelectorType   string   `json:"egressSelectorType"`
}

// ClaimValidationRule requires a value of a claim, or an expression in CEL to be
// true of the claims.
type ClaimValidationRule struct {
	Claim         string `json:"claim"`
	RequiredValue string `json:"requiredValue"`
	Expression    string `json:"expression"`
	Message       string `json:"message"`
}

// ClaimMappings say what the claims become.
type ClaimMappings struct {
	Username PrefixedMapping `json:"username"`
	Groups   PrefixedMapping `json:"groups"`
	UID      Mapping         `json:"uid"`
	Extra    []ExtraMapping  `json:"extra"`
}

// PrefixedMapping is a claim after a prefix, or an expression.
type PrefixedMapping struct {
	Claim      string  `json:"claim"`
	Prefix     *string `json:"prefix"`
	Expression string  `json:"expression"`
}

// Mapping is a claim, or an expression.
type Mapping struct {
	Claim      string `json:"claim"`
	Expression string `json:"expression"`
}

// ExtraMapping is an expression whose value is an extra attribute of the user.
type ExtraMapping struct {
	Key             string `json:"key"`
	ValueExpression string `json:"valueExpression"`
}

// UserValidationRule requires an expression to be true of the user.
type UserValidationRule struct {
	Expression string `json:"expression"`
	Message    string `json:"message"`
}

// DeepCopyObject implements runtime.Object. The copy shares what it refers to:
// decoding, which asks for it, changes nothing.
func (c *Configuration) DeepCopyObject() runtime.Object {
	shared := *c
	return &shared
}
