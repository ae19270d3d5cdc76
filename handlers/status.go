package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxMessage bounds a message, in bytes: it may name what the caller sent.
const maxMessage = 1024

// reasons are meta/v1 StatusReasons for the codes we answer with.
var reasons = map[int]metav1.StatusReason{
	http.StatusBadRequest:            metav1.StatusReasonBadRequest,
	http.StatusForbidden:             metav1.StatusReasonForbidden,
	http.StatusNotFound:              metav1.StatusReasonNotFound,
	http.StatusMethodNotAllowed:      metav1.StatusReasonMethodNotAllowed,
	http.StatusRequestEntityTooLarge: metav1.StatusReasonRequestEntityTooLarge,
	http.StatusUnsupportedMediaType:  metav1.StatusReasonUnsupportedMediaType,
	http.StatusServiceUnavailable:    metav1.StatusReasonServiceUnavailable,
}

// writeStatus answers with a Kubernetes Status. It never sets Retry-After:
// with it, apiserver's clients would call eleven times instead of once.
func writeStatus(w http.ResponseWriter, code int, message string) {
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	body, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure,
		Reason:   reasons[code],
		Message:  message,
		Code:     int32(code), //nolint:gosec // an HTTP status code
	})
	if err != nil {
		http.Error(w, message, code)
		return
	}
	writeJSON(w, code, body)
}

// The values of headers that every answer has. They are shared, and read only.
var (
	contentTypeJSON = []string{"application/json"}
	noSniff         = []string{"nosniff"}
)

// measured is the length up to which net/http finds out the Content-Length of
// an answer by itself, in bytes.
const measured = 2048

func writeJSON(w http.ResponseWriter, code int, body []byte) {
	writeHeader(w, code, len(body))
	_, _ = w.Write(body) // the caller has gone; there is no other to report the error to
}

func writeHeader(w http.ResponseWriter, code, length int) {
	h := w.Header()
	h["Content-Type"] = contentTypeJSON
	h["X-Content-Type-Options"] = noSniff
	if length > measured {
		h.Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(code)
}

// printable keeps what a caller chose short and on one line.
func printable(s string) string {
	const longest = 64
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strconv.QuoteToASCII(s)
}
