package authconfig

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

const (
	group = "apiserver.config.k8s.io"
	kind  = "AuthenticationConfiguration"
)

// Decode reads YAML or JSON as kube-apiserver does: fields that do not exist, and
// fields that are there twice, are errors.
func Decode(text []byte) (*Configuration, error) {
	if len(text) == 0 {
		return nil, errors.New("the file is empty")
	}
	scheme := runtime.NewScheme()
	for _, version := range []string{"v1", "v1beta1", "v1alpha1"} {
		scheme.AddKnownTypeWithName(schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, &Configuration{})
	}
	decoded, _, err := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		if runtime.IsNotRegisteredError(err) || runtime.IsMissingKind(err) || runtime.IsMissingVersion(err) {
			return nil, fmt.Errorf("it is not an %s of %s/v1, v1beta1 or v1alpha1: %w", kind, group, err)
		}
		return nil, err
	}
	configuration, ok := decoded.(*Configuration)
	if !ok {
		return nil, fmt.Errorf("it is not an %s", kind)
	}
	return configuration, nil
}
