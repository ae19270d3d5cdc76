package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

func parseString(node *yaml.Node) (string, error) {
	if node.Kind != yaml.ScalarNode {
		return "", fmt.Errorf("expected text, found %s", describe(node))
	}
	if node.ShortTag() != "!!str" {
		return "", fmt.Errorf("expected text, found %s: put it in quotes if it is meant as text", describe(node))
	}
	return node.Value, nil
}

func parseBool(node *yaml.Node) (bool, error) {
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!bool" {
		if truth, err := strconv.ParseBool(node.Value); err == nil {
			return truth, nil
		}
	}
	return false, fmt.Errorf("expected true or false (without quotes), found %s", describe(node))
}

func parseInt(node *yaml.Node) (int, error) {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!int" {
		return 0, fmt.Errorf("expected a whole number (without quotes), found %s", describe(node))
	}
	number, err := strconv.Atoi(node.Value)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("the number %s is too large", shorten(node.Value))
	}
	if err != nil {
		return 0, fmt.Errorf("expected a whole number in decimal digits, found %s", describe(node))
	}
	return number, nil
}

func parseDuration(node *yaml.Node) (time.Duration, error) {
	if !isTextOrNumber(node) {
		return 0, fmt.Errorf("expected a duration such as 500ms, 30s or 2m, found %s", describe(node))
	}
	duration, err := time.ParseDuration(node.Value)
	if err == nil {
		return duration, nil
	}
	if _, err := strconv.ParseFloat(node.Value, 64); err == nil {
		return 0, fmt.Errorf("the duration %s has no unit: seconds are written %ss", shorten(node.Value), shorten(node.Value))
	}
	return 0, fmt.Errorf("%s is not a duration: write a number and a unit, such as 500ms, 30s or 2m", quote(node.Value))
}

// byteQuantity is a subset of the quantities of Kubernetes, without fractions of a
// byte (100m), and without exponents so large that parsing takes minutes.
var byteQuantity = regexp.MustCompile(`^[+-]?[0-9]{1,19}(\.[0-9]{1,9})?([kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$`)

// maxBytes is the largest limit in bytes, about the memory of a machine.
const maxBytes = 16 << 30

// parseBytes reads a Kubernetes quantity that is a whole number of bytes.
func parseBytes(node *yaml.Node) (int64, error) {
	if !isTextOrNumber(node) {
		return 0, fmt.Errorf("expected a size such as 64Ki, 1Mi or 1048576, found %s", describe(node))
	}
	if !byteQuantity.MatchString(node.Value) {
		return 0, fmt.Errorf("%s is not a size: write bytes, or a number and a unit, such as 64Ki or 1Mi", quote(node.Value))
	}
	quantity, err := resource.ParseQuantity(node.Value)
	if err != nil {
		return 0, fmt.Errorf("%s is not a size: %w", quote(node.Value), err)
	}
	if quantity.CmpInt64(maxBytes) > 0 {
		return 0, fmt.Errorf("%s is too large: the most is 16Gi", quote(node.Value))
	}
	size := quantity.Value()
	if quantity.CmpInt64(size) != 0 {
		return 0, fmt.Errorf("%s is not a whole number of bytes", quote(node.Value))
	}
	return size, nil
}

func isTextOrNumber(node *yaml.Node) bool {
	if node.Kind != yaml.ScalarNode {
		return false
	}
	switch node.ShortTag() {
	case "!!str", "!!int", "!!float":
		return true
	default:
		return false
	}
}
