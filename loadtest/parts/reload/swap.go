package reload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// prepare makes data that a server has not had yet. The function that it returns replaces
// the data of the server, and returns when the server answers by it.
func (r *reloads) prepare(ctx context.Context, name string) (func(context.Context) error, error) {
	r.version++
	r.company.Access.GuardRails["kubeSystem"] = generate.Trusted{Groups: []string{"platform-oncall", fmt.Sprint("version-", r.version)}}
	if name == servers.OPA {
		document, err := json.Marshal(r.company.Access)
		if err != nil {
			return nil, fmt.Errorf("marshalling data: %w", err)
		}
		return func(ctx context.Context) error {
			return bench.Request(ctx, http.MethodPut, "http://"+r.running[name].Address+"/v1/data/access", document, io.Discard)
		}, nil
	}
	files, err := generate.PolicyFiles(r.company)
	if err != nil {
		return nil, err
	}
	beside := filepath.Join(r.dir, "next.json") // not in the folder that is watched
	if err := os.WriteFile(beside, files[0].Text, 0o600); err != nil {
		return nil, fmt.Errorf("writing data: %w", err)
	}
	before, err := r.revision(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := os.Rename(beside, filepath.Join(r.files.Verdict, generate.DataFile)); err != nil {
			return fmt.Errorf("replacing data: %w", err)
		}
		for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(poll) {
			if now, err := r.revision(ctx); err != nil || now != before {
				return err
			}
		}
		return fmt.Errorf("no new revision within %v", limit)
	}, nil
}

// revision is the line of verdict's metrics that names its revision.
func (r *reloads) revision(ctx context.Context) (string, error) {
	metrics, err := bench.Metrics(ctx, r.running[servers.Verdict])
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "verdict_policy_revision_info") {
			return line, nil
		}
	}
	return "", errors.New("verdict's metrics name no revision")
}
