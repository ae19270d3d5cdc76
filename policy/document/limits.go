package document

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Limits on what is decoded for a caller. Kubernetes objects nest less
// than 30 levels and write numbers in less than 20 bytes.
const (
	maxDepth        = 128
	maxNumberLength = 128
	// maxExponentLength leaves room for the sign: OPA computes with big floats,
	// and does not take 0e1000000000 for the zero it is.
	maxExponentLength = 4
)

// tooDeep says what is wrong with a document that nests deeper than maxDepth.
var tooDeep = fmt.Sprintf("nested deeper than %d levels", maxDepth)

// checkNumber says what is wrong with a number, "" when nothing is.
func checkNumber(literal []byte) string {
	if len(literal) > maxNumberLength {
		return fmt.Sprintf("number longer than %d bytes", maxNumberLength)
	}
	if !bytes.ContainsAny(literal, "eE") {
		return "" // so short a number is a float64
	}
	_, exponent, _ := strings.Cut(strings.ToLower(string(literal)), "e")
	if _, err := strconv.ParseFloat(string(literal), 64); err != nil || len(exponent) > maxExponentLength {
		return "number out of range"
	}
	return ""
}
