package builtin

import (
	"encoding/json"
	"math/big"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

// TestQuantitiesAgreeWithKubernetes compares data.lib.quantities.parse with
// resource.ParseQuantity, exactly.
func TestQuantitiesAgreeWithKubernetes(t *testing.T) {
	parse := evaluator(t, "{q: n | some q in input; n := data.lib.quantities.parse(q)}")

	var texts []string
	for _, sign := range []string{"", "+", "-"} {
		for _, number := range []string{"0", "1", "007", "12.5", ".25", "3.", "0.1", "1.23456789", "0.0000000001", "999999999.9999999999", "9223372036854775807", "9223372036854775808", "12345678901234567890123"} {
			for _, suffix := range []string{"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E3", "e-3", "e+2", "E-12", "e20"} {
				texts = append(texts, sign+number+suffix)
			}
		}
	}
	texts = append(texts, "x", "1x", "1 ", "1.2.3", "1K", "1mi", "1e", "1e1.5", "--1", "1ee3", "0x1", "Infinity", "NaN")

	numbers, ok := parse(t, texts).(map[string]any)
	if !ok {
		t.Fatal("no numbers")
	}
	for _, text := range texts {
		want, err := resource.ParseQuantity(text)
		got, found := numbers[text].(json.Number)
		if legal := err == nil; legal != found {
			t.Errorf("%q: number %v, Kubernetes says %v", text, found, err)
			continue
		}
		if !found {
			continue
		}
		exact, ok := new(big.Rat).SetString(got.String())
		if !ok {
			t.Errorf("%q = %q is no number", text, got)
			continue
		}
		expected, ok := new(big.Rat).SetString(want.AsDec().String())
		if !ok {
			t.Fatalf("%q: Kubernetes gives %s", text, want.AsDec())
		}
		if exact.Cmp(expected) != 0 {
			t.Errorf("%q = %s, Kubernetes gives %s", text, got, want.AsDec())
		}
	}
}
