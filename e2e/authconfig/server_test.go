package authconfig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
)

// imported runs verdict import on the configuration, and returns the folder that it
// wrote, or what it said instead.
func imported(t *testing.T, program, configuration string, serviceAccountIssuers ...string) (dir, refusal string) {
	t.Helper()
	work := t.TempDir()
	file, dir := filepath.Join(work, "authentication.yaml"), filepath.Join(work, "imported")
	must(t, os.WriteFile(file, []byte(configuration), 0o600))
	arguments := []string{"import", "authentication-configuration", file, "--output", dir}
	for _, issuer := range serviceAccountIssuers {
		arguments = append(arguments, "--service-account-issuer", issuer)
	}
	out, err := exec.CommandContext(t.Context(), program, arguments...).CombinedOutput()
	if err != nil {
		return "", string(out)
	}
	return dir, ""
}

// server is verdict with a configuration that was imported.
type server struct {
	url string
	log string
}

var webhooks = regexp.MustCompile(`webhooks:\s+(\S+)`)

// serve starts verdict with what was imported, and where it listens.
func serve(t *testing.T, program, dir, proxy string) *server {
	t.Helper()
	config := filepath.Join(dir, "verdict.yaml")
	must(t, os.WriteFile(config, []byte(read(t, config)+"server: {plainHTTP: true, address: \"127.0.0.1:0\"}\noperations: {address: \"127.0.0.1:0\"}\nshutdown: {drain: 0s, grace: 1s}\n"), 0o600))
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	must(t, err)
	command := exec.CommandContext(t.Context(), program, "serve", "--config", config)
	command.Env = append(os.Environ(), "HTTPS_PROXY="+proxy, "NO_PROXY=", "HOME="+t.TempDir())
	command.Stderr = log
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
	})
	found := make(chan string, 1)
	go func() {
		defer close(found)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := webhooks.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	select {
	case url := <-found:
		if url == "" {
			t.Fatalf("verdict ended:\n%s", read(t, log.Name()))
		}
		return &server{url, log.Name()}
	case <-time.After(time.Minute):
		t.Fatalf("verdict does not say where it listens:\n%s", read(t, log.Name()))
	}
	return nil
}

// review asks who the bearer of a token is.
func (s *server) review(t *testing.T, token string) authenticationv1.TokenReviewStatus {
	t.Helper()
	body, err := json.Marshal(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]any{"token": token}})
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/authenticate", bytes.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	var answer authenticationv1.TokenReview
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s: %v", response.Status, err)
	}
	return answer.Status
}

// refusals are the lines of the log that say why.
func (s *server) refusals(t *testing.T) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(read(t, s.log)) {
		if !strings.Contains(line, "revision loaded") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
