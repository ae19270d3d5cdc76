package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/verdict-dev/verdict/loadtest/servers"
)

// Request sends body and writes the answer's body to answer. A status of 300 or
// more is an error.
func Request(ctx context.Context, method, url string, body []byte, answer io.Writer) (err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("asking %s: %s", url, response.Status)
	}
	if _, err := io.Copy(answer, response.Body); err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	return nil
}

// Metrics returns the metrics of a server that has an operations address, as text.
func Metrics(ctx context.Context, server *servers.Process) (string, error) {
	var text bytes.Buffer
	err := Request(ctx, http.MethodGet, server.Operations+"/metrics", nil, &text)
	return text.String(), err
}
