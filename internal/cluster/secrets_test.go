package cluster

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// told notes what a watch tells: "name=username" or "-name".
type told struct {
	mu    sync.Mutex
	notes []string
	last  sources.TokenSecret
}

func (r *told) SecretChanged(secret sources.TokenSecret) {
	r.note(secret.Name + "=" + string(secret.Data["username"]))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = secret
}

func (r *told) SecretRemoved(namespace, name string) {
	if namespace != "tokens" {
		name = namespace + "/" + name
	}
	r.note("-" + name)
}

func (r *told) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, text)
}

// all returns the notes that are new since it was last called.
func (r *told) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := strings.Join(r.notes, " ")
	r.notes = nil
	return text
}

func newSecretServer(t *testing.T) *objectServer {
	t.Helper()
	return newObjectServer(t, "/api/v1/namespaces/tokens/secrets", "Secret")
}

// secretOf has a username and things nobody should keep.
func secretOf(username string) object {
	return object{
		"metadata": object{
			"namespace": "tokens", "uid": "u-1",
			"annotations":   map[string]string{"note": "keepsake"},
			"managedFields": []object{{"manager": "kubectl"}},
		},
		"type": "verdict.dev/token",
		"data": map[string][]byte{"username": []byte(username)},
	}
}

func startSecrets(t *testing.T, s http.Handler, options Options) (*Secrets, *told) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	watch, err := NewSecrets(configFor(server.URL), "tokens", options)
	must(t, err)
	if err := watch.Ready(); err == nil || !strings.Contains(err.Error(), "the token Secrets of namespace tokens are not yet known: waiting for the API server") {
		t.Errorf("before Run, Ready returns %v", err)
	}
	receiver := &told{}
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	var running sync.WaitGroup
	running.Go(func() { watch.Run(ctx, receiver) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return watch, receiver
}

func TestSecretsFollowTheCluster(t *testing.T) {
	for name, noWatchList := range map[string]bool{"streamed list": false, "whole list": true} {
		t.Run(name, func(t *testing.T) {
			s := newSecretServer(t)
			s.noWatchList = noWatchList
			s.set("a", secretOf("alice"))
			changed := make(chan struct{}, 100)
			watch, receiver := startSecrets(t, s, Options{
				OnChange: func(string) { changed <- struct{}{} },
				OnError:  func(err error) { t.Errorf("reported %v", err) },
			})
			eventually(t, "the first list", func() bool { return watch.Ready() == nil })
			expect := func(step, want string) {
				t.Helper()
				<-changed
				if got := receiver.all(); got != want {
					t.Errorf("%s: told %q, want %q", step, got, want)
				}
			}
			expect("ready", "a=alice")
			if got := s.asked("labelSelector"); got != "verdict.dev/token=true" {
				t.Errorf("asked for the label %q", got)
			}
			if got := receiver.last; got.Namespace != "tokens" || got.Name != "a" || got.UID != "u-1" || got.ResourceVersion != "1" || got.Type != "verdict.dev/token" {
				t.Errorf("told %+v", got)
			}
			if got := watch.Status(); !strings.HasPrefix(got, "last contact with the API server at http://127.0.0.1:") {
				t.Errorf("the status is %q", got)
			}
			s.set("a", secretOf("anna"))
			expect("a change", "a=anna")
			s.set("b", secretOf("bob"))
			expect("a new one", "b=bob")
			s.remove("a")
			expect("a removal", "-a")
		})
	}
}

// After a broken watch only what differs is told, what is gone included.
func TestSecretsTellOnceOfEachVersion(t *testing.T) {
	for name, noWatchList := range map[string]bool{"streamed list": false, "whole list": true} {
		t.Run(name, func(t *testing.T) {
			s := newSecretServer(t)
			s.noWatchList = noWatchList
			for _, name := range []string{"a", "b", "c"} {
				s.set(name, secretOf(name))
			}
			watch, receiver := startSecrets(t, s, Options{})
			eventually(t, "the first list", func() bool { return watch.Ready() == nil })
			receiver.all()

			s.mu.Lock()
			delete(s.objects, "c") // without an event
			s.mu.Unlock()
			s.expire()
			var got string
			eventually(t, "the removal", func() bool { got += receiver.all(); return got != "" })
			s.set("b", secretOf("bea"))
			eventually(t, "the change", func() bool { got += receiver.all(); return strings.Contains(got, "b") })
			if want := "-cb=bea"; got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

func TestSecretsKeepNothingOfWhatTheyHold(t *testing.T) {
	s := newSecretServer(t)
	s.set("a", secretOf("alice"))
	watch, receiver := startSecrets(t, s, Options{})
	eventually(t, "the first list", func() bool { return watch.Ready() == nil })
	lists := s.listCount()
	s.expire()
	eventually(t, "a second list", func() bool { return s.listCount() > lists })
	s.set("b", secretOf("bob"))
	eventually(t, "a change", func() bool { return strings.Contains(receiver.all(), "b=bob") })
	for _, stored := range watch.informer.GetStore().List() {
		cached := stored.(*cachedSecret)
		if content := cached.content.Load(); content != nil {
			t.Errorf("secret %s is still held", cached.Name)
		}
		if text := fmt.Sprintf("%+v", cached.ObjectMeta); strings.Contains(text, "keepsake") || strings.Contains(text, "kubectl") {
			t.Errorf("kept of its metadata: %s", text)
		}
	}
}

func TestSecretsRefusedByTheAPIServer(t *testing.T) {
	server := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		answer := status(http.StatusForbidden, metav1.StatusReasonForbidden)
		answer.Message = `secrets is forbidden: User "verdict" cannot list resource "secrets"`
		writeJSON(w, answer)
	})
	reported := make(chan error, 100)
	watch, receiver := startSecrets(t, server, Options{OnError: func(err error) { reported <- err }})
	if err := <-reported; !strings.Contains(err.Error(), "watching token Secrets of namespace tokens at http://") {
		t.Errorf("reported %v", err)
	}
	if err := watch.Ready(); err == nil || !strings.Contains(err.Error(), `User "verdict" cannot list`) {
		t.Errorf("Ready returns %v, want that it is forbidden", err)
	}
	if got := watch.Status(); got != watch.Ready().Error() {
		t.Errorf("the status is %q", got)
	}
	if got := receiver.all(); got != "" {
		t.Errorf("told %q", got)
	}
}

func TestSecretsOfABadConfiguration(t *testing.T) {
	_, err := NewSecrets(&rest.Config{Host: "https://127.0.0.1", TLSClientConfig: rest.TLSClientConfig{CAFile: "missing/ca.crt"}}, "tokens", Options{})
	if err == nil || !strings.Contains(err.Error(), "missing/ca.crt") {
		t.Errorf("got %v, want the file", err)
	}
}
